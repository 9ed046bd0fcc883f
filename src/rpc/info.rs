//! What clients are told about processes and their settings.
//!
//! Built on the connection's thread from [`Published`]; pure but for the clocks, which are
//! parameters. Members, their order and the texts are those of Supervisor 4.3.0.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use super::members::{Members, Tree, member};
use super::value::Value;
use super::xml;
use crate::config::model::{Config, Group, LogTarget, Output, Program};
use crate::coordinator::inbox::Channel;
use crate::coordinator::published::{GroupView, ProcSlot, ProcView, Structure};
use crate::machine::State;
use crate::sys::clock::{self, Mono};

/// The moment an answer speaks of.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Wall clock, seconds since 1970.
    pub wall: i64,
    /// Monotonic clock.
    pub mono: Mono,
}

impl Now {
    /// This moment.
    pub fn get() -> Now {
        Now { wall: clock::wall().0, mono: Mono::now() }
    }
}

/// About how many bytes a struct of [`all_processes_document`] takes.
const ROOM: usize = 1280;

/// The struct of `getProcessInfo`.
pub fn process(slot: &ProcSlot, now: Now) -> Value {
    let mut tree = Tree::with_capacity(14);
    tell(slot, now, &mut String::new(), &mut tree);
    tree.into_value()
}

/// Tells the members of `getProcessInfo`. `scratch` is for the texts that are made up here.
fn tell(slot: &ProcSlot, now: Now, scratch: &mut String, to: &mut impl Members) {
    let path = |channel| slot.logfile(channel).map(Path::to_string_lossy).unwrap_or_default();
    let (stdout, stderr) = (path(Channel::Stdout), path(Channel::Stderr));
    let name = &slot.config.name;
    slot.look(|view| {
        scratch.clear();
        describe(scratch, name, view, now);
        to.text(member!("name"), name);
        to.text(member!("group"), &slot.group);
        to.int(member!("start"), capped(view.start));
        to.int(member!("stop"), capped(view.stop));
        to.int(member!("now"), capped(now.wall));
        to.int(member!("state"), view.state.code());
        to.text(member!("statename"), view.state.name());
        to.text(member!("spawnerr"), view.spawnerr());
        to.int(member!("exitstatus"), view.exitstatus);
        to.text(member!("logfile"), &stdout);
        to.text(member!("stdout_logfile"), &stdout);
        to.text(member!("stderr_logfile"), &stderr);
        to.int(member!("pid"), view.pid);
        to.text(member!("description"), scratch);
    });
}

/// The array of `getAllProcessInfo`: by names of groups, then of processes.
pub fn all_processes(structure: &Structure, now: Now) -> Value {
    Value::Array(by_name(structure).into_iter().map(|slot| process(slot, now)).collect())
}

/// The response document with [`all_processes`].
pub fn all_processes_document(structure: &Structure, now: Now) -> String {
    let scratch = RefCell::new(String::new());
    xml::encode_structs(by_name(structure).into_iter(), ROOM, |slot, to| {
        tell(slot, now, &mut scratch.borrow_mut(), to);
    })
}

fn by_name(structure: &Structure) -> Vec<&ProcSlot> {
    let mut groups: Vec<&GroupView> = structure.groups.iter().map(Arc::as_ref).collect();
    groups.sort_by(|a, b| a.config.name.cmp(&b.config.name));
    let mut all = Vec::with_capacity(groups.iter().map(|g| g.processes.len()).sum());
    for group in groups {
        let first = all.len();
        all.extend(group.processes.iter().map(Arc::as_ref));
        if let Some(slots) = all.get_mut(first..) {
            slots.sort_by(|a: &&ProcSlot, b| a.config.name.cmp(&b.config.name));
        }
    }
    all
}

/// The text that `status` shows behind the state.
pub(crate) fn description(name: &str, view: &ProcView, now: Now) -> String {
    let mut text = String::new();
    describe(&mut text, name, view, now);
    text
}

fn describe(out: &mut String, name: &str, view: &ProcView, now: Now) {
    match view.state {
        State::Running => {
            let up = match view.started {
                // Not by wall time: a step of that clock would change how long ago it was.
                Some(started) => now.mono.since(started).as_secs(),
                None => u64::try_from(now.wall.saturating_sub(view.start)).unwrap_or(0),
            };
            out.push_str("pid ");
            xml::push_number(out, view.pid.into());
            out.push_str(", uptime ");
            push_uptime(out, up);
        }
        State::Fatal | State::Backoff if view.spawnerr().is_empty() => {
            out.push_str("unknown error (try \"tail ");
            out.push_str(name);
            out.push_str("\")");
        }
        State::Fatal | State::Backoff => out.push_str(view.spawnerr()),
        State::Stopped | State::Exited if view.start == 0 => out.push_str("Not started"),
        State::Stopped | State::Exited => {
            out.push_str(&clock::local(view.stop, c"%b %d %I:%M %p"));
        }
        State::Starting | State::Stopping | State::Unknown => {}
    }
}

/// Seconds as Python's timedelta shows them: `2 days, 3:04:05`.
fn push_uptime(out: &mut String, secs: u64) {
    let (days, rest) = (secs / 86_400, secs % 86_400);
    let number = |out: &mut String, n: u64| xml::push_number(out, n.try_into().unwrap_or(i64::MAX));
    if days > 0 {
        number(out, days);
        out.push_str(if days == 1 { " day, " } else { " days, " });
    }
    number(out, rest / 3600);
    for part in [rest / 60 % 60, rest % 60] {
        out.push_str(if part < 10 { ":0" } else { ":" });
        number(out, part);
    }
}

/// The array of `getAllConfigInfo`: every process of the configuration read last, by name.
pub fn all_configs(config: &Config, structure: &Structure) -> Value {
    let mut all: Vec<(&str, Value)> = Vec::new();
    for group in &config.groups {
        let active = structure.group(&group.name);
        // Upstream shows the names of AUTO logs as long as the settings are those the group was
        // made from: a configuration that was read anew has no files of its own yet.
        // What was added or removed at run time shows, too, as long as that is so.
        match active.filter(|view| Arc::ptr_eq(&view.config, group)) {
            Some(view) => all.extend(view.processes.iter().map(|slot| {
                let info = config_info(group, &slot.config, true, Some(slot));
                (slot.config.name.as_str(), info)
            })),
            None => all.extend(group.programs.iter().map(|program| {
                let info = config_info(group, program, active.is_some(), None);
                (program.name.as_str(), info)
            })),
        }
    }
    all.sort_by_key(|(name, _)| *name);
    Value::Array(all.into_iter().map(|(_, info)| info).collect())
}

/// The settings of an active process, for people: members of `getAllConfigInfo` as text.
pub(crate) fn settings(group: &Group, slot: &ProcSlot) -> Vec<(String, String)> {
    let Value::Struct(members) = config_info(group, &slot.config, true, Some(slot)) else {
        return Vec::new();
    };
    let shown = |value: Value| match value {
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_int)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(", "),
        Value::Bool(set) => set.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Str(text) => text,
        _ => String::new(),
    };
    let told = |name: &str| !matches!(name, "name" | "group" | "inuse");
    members.into_iter().filter(|(name, _)| told(name)).map(|(n, v)| (n, shown(v))).collect()
}

fn config_info(group: &Group, p: &Program, inuse: bool, slot: Option<&ProcSlot>) -> Value {
    let stdout = logfile(&p.stdout, slot.and_then(|s| s.auto.stdout.as_deref()));
    let stderr = match p.redirect_stderr {
        true => "none".to_owned(),
        false => logfile(&p.stderr, slot.and_then(|s| s.auto.stderr.as_deref())),
    };
    let exitcodes = p.exitcodes.iter().map(|code| Value::from(*code)).collect();
    members([
        ("autostart", Value::from(p.autostart)),
        ("directory", or_none(p.directory.as_deref().map(lossy))),
        ("uid", p.user.as_ref().map_or_else(|| "none".into(), |u| i64::from(u.uid).into())),
        ("command", p.command.as_str().into()),
        ("exitcodes", Value::Array(exitcodes)),
        ("group", group.name.as_str().into()),
        ("group_prio", group.priority.into()),
        ("inuse", inuse.into()),
        ("killasgroup", p.killasgroup.into()),
        ("name", p.name.as_str().into()),
        ("process_prio", p.priority.into()),
        ("redirect_stderr", p.redirect_stderr.into()),
        ("startretries", p.startretries.into()),
        ("startsecs", p.startsecs.into()),
        ("stdout_capture_maxbytes", p.stdout.capture_maxbytes.into()),
        ("stdout_events_enabled", p.stdout.events_enabled.into()),
        ("stdout_logfile", stdout.into()),
        ("stdout_logfile_backups", i64::from(p.stdout.backups).into()),
        ("stdout_logfile_maxbytes", p.stdout.maxbytes.into()),
        ("stdout_syslog", p.stdout.syslog.into()),
        ("stopsignal", p.stopsignal.into()),
        ("stopwaitsecs", p.stopwaitsecs.into()),
        ("stderr_capture_maxbytes", p.stderr.capture_maxbytes.into()),
        ("stderr_events_enabled", p.stderr.events_enabled.into()),
        ("stderr_logfile", stderr.into()),
        ("stderr_logfile_backups", i64::from(p.stderr.backups).into()),
        ("stderr_logfile_maxbytes", p.stderr.maxbytes.into()),
        ("stderr_syslog", p.stderr.syslog.into()),
        ("serverurl", or_none(p.serverurl.clone())),
    ])
}

/// A log file of the settings: a path, `auto` while it has no file, or `none`.
fn logfile(output: &Output, auto: Option<&Path>) -> String {
    match &output.target {
        LogTarget::None => "none".to_owned(),
        LogTarget::Auto => auto.map_or_else(|| "auto".to_owned(), lossy),
        LogTarget::File(path) => lossy(path),
    }
}

fn or_none(text: Option<String>) -> Value {
    Value::Str(text.unwrap_or_else(|| "none".to_owned()))
}

fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Times saturate at the 32 bits of an XML-RPC int, which strict clients insist on.
fn capped(time: i64) -> i32 {
    time.try_into().unwrap_or(if time < 0 { i32::MIN } else { i32::MAX })
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::testing;
    use std::time::Duration;

    const NOW: Now = Now { wall: 1_700_000_000, mono: Mono(500_000_000_000_000) };

    fn view(state: State) -> ProcView {
        ProcView { state, ..ProcView::new() }
    }

    #[test]
    fn uptime_is_written_as_pythons_timedelta() {
        for (secs, text) in [
            (0, "0:00:00"),
            (59, "0:00:59"),
            (3_661, "1:01:01"),
            (86_399, "23:59:59"),
            (86_400, "1 day, 0:00:00"),
            (93_784, "1 day, 2:03:04"),
            (172_800 + 36_000, "2 days, 10:00:00"),
        ] {
            let mut out = String::new();
            push_uptime(&mut out, secs);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn descriptions_follow_the_state() {
        let tell = |v: &ProcView| description("x", v, NOW);
        let mut running = view(State::Running);
        running.pid = 12;
        running.started = Some(Mono(NOW.mono.0 - Duration::from_secs(61).as_nanos() as u64));
        assert_eq!(tell(&running), "pid 12, uptime 0:01:01");
        assert_eq!(tell(&view(State::Stopped)), "Not started");
        assert_eq!(tell(&view(State::Fatal)), "unknown error (try \"tail x\")");
        let mut backoff = view(State::Backoff);
        backoff.spawnerr = Some("no".into());
        assert_eq!(tell(&backoff), "no");
        for state in [State::Starting, State::Stopping, State::Unknown] {
            assert_eq!(tell(&view(state)), "");
        }
        let mut exited = view(State::Exited);
        exited.start = 1;
        exited.stop = 1_700_000_000;
        let text = tell(&exited);
        assert!(text.starts_with("Nov 1") && (text.ends_with("AM") || text.ends_with("PM")));
        assert_eq!(text.len(), "Nov 14 10:13 PM".len());
    }

    #[test]
    fn process_info_has_all_members_in_order() {
        let mut program = testing::program("p");
        program.stdout.target = LogTarget::Auto;
        program.stderr.target = LogTarget::File("/e.log".into());
        let published = testing::published(vec![testing::group("g", vec![Arc::new(program)])]);
        let structure = published.structure();
        let slot = structure.groups[0].process("p").unwrap();
        let mut v = view(State::Running);
        v.start = i64::from(i32::MAX) + 5;
        slot.publish(v);
        let Value::Struct(info) = process(slot, NOW) else { panic!("no struct") };
        let names: Vec<&str> = info.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(
            names,
            [
                "name",
                "group",
                "start",
                "stop",
                "now",
                "state",
                "statename",
                "spawnerr",
                "exitstatus",
                "logfile",
                "stdout_logfile",
                "stderr_logfile",
                "pid",
                "description"
            ]
        );
        let info = Value::Struct(info);
        assert_eq!(info.get("start"), Some(&Value::Int(2_147_483_647)));
        assert_eq!(info.get("stderr_logfile"), Some(&"/e.log".into()));
        assert_eq!(info.get("logfile"), info.get("stdout_logfile"));
        assert_eq!(info.get("statename"), Some(&"RUNNING".into()));
    }

    #[test]
    fn processes_come_by_group_and_name() {
        let programs =
            |names: &[&str]| names.iter().map(|n| Arc::new(testing::program(n))).collect();
        let published = testing::published(vec![
            testing::group("b", programs(&["z", "a"])),
            testing::group("a", programs(&["m"])),
        ]);
        let all = all_processes(&published.structure(), NOW);
        let document = all_processes_document(&published.structure(), NOW);
        assert_eq!(document, xml::encode_response(&all));
        let names: Vec<_> = all
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i.get("name").unwrap().as_str().unwrap())
            .collect();
        assert_eq!(names, ["m", "a", "z"]);
    }

    #[test]
    fn config_info_names_auto_logs_only_of_the_very_settings() {
        let mut program = testing::program("p");
        program.stdout.target = LogTarget::Auto;
        program.redirect_stderr = true;
        let published = testing::published(vec![testing::group("g", vec![Arc::new(program)])]);
        let shown = |config: &Config| {
            let all = all_configs(config, &published.structure());
            let first = all.as_array().unwrap()[0].clone();
            let text = |name| first.get(name).unwrap().as_str().unwrap().to_owned();
            (text("stdout_logfile"), text("stderr_logfile"), first.get("inuse").cloned())
        };
        let config = published.config();
        let auto = published.structure().groups[0].processes[0].auto.stdout.clone().unwrap();
        assert_eq!(shown(&config), (lossy(&auto), "none".to_owned(), Some(true.into())));
        let mut reread = (*config).clone();
        reread.groups = vec![Arc::new((*config.groups[0]).clone())];
        assert_eq!(shown(&reread), ("auto".to_owned(), "none".to_owned(), Some(true.into())));
    }

    #[test]
    fn config_info_is_sorted_and_says_none_for_what_is_not_set() {
        let programs = vec![Arc::new(testing::program("z")), Arc::new(testing::program("a"))];
        let published = testing::published(vec![testing::group("g", programs)]);
        let all = all_configs(&published.config(), &Structure::default());
        let items = all.as_array().unwrap();
        assert_eq!(items[0].get("name"), Some(&"a".into()));
        for member in ["directory", "uid", "serverurl", "stdout_logfile", "stderr_logfile"] {
            assert_eq!(items[0].get(member), Some(&"none".into()), "{member}");
        }
        assert_eq!(items[0].get("inuse"), Some(&false.into()));
        assert_eq!(items[0].get("exitcodes"), Some(&Value::Array(vec![Value::Int(0)])));
        let Value::Struct(members) = &items[0] else { panic!("no struct") };
        assert_eq!(members.len(), 29);
    }
}

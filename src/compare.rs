//! `supervisord --differences`: what Python Supervisor 4.3.0 would do differently with a configuration, each with
//! its place. What is different whatever the configuration says (times, signals) is not listed; the
//! README has it.
//!
//! Main thread, instead of a start. Reads the files twice: as text, for the places, and as a start would,
//! for what only that finds. Changes nothing.

use std::fmt;
use std::os::unix::fs::FileTypeExt;

use crate::config::ini::{Entry, Ini, Section as IniSection};
use crate::config::model::{Address, Autorestart, Config, Overrides};
use crate::config::options::Section;
use crate::config::values::{boolean, entry_point, restart, seconds, whole};
use crate::config::{ConfigError, MAIN_INTERFACE, TWIDDLER_INTERFACE, load};

/// The class behind the standard interface, which is taken for it.
const MAIN_CLASS: &str = "supervisor.rpcinterface:SupervisorNamespaceRPCInterface";
/// What judges listeners' answers when nothing else is named.
const STANDARD_HANDLER: &str = "supervisor.dispatchers:default_handler";

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `file:line`, none when it is about no single line.
    pub place: Option<(String, usize)>,
    /// `[section] key=value`, or what else it is about.
    pub subject: String,
    /// What is different.
    pub text: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = &self.place {
            write!(f, "{file}:{line}: ")?;
        }
        write!(f, "{}: {}", self.subject, self.text)
    }
}

/// All differences, by file and line.
///
/// # Errors
/// Files that cannot be read. That the configuration is refused is a difference where Supervisor would take
/// it; otherwise it is the error.
pub fn differences(overrides: &Overrides) -> Result<Vec<Difference>, ConfigError> {
    let ini = load::raw(overrides)?;
    let mut found = of_text(&ini);
    let plugins = found.iter().any(|d| d.text.contains(REFUSED));
    match load::load(overrides) {
        Ok(config) => found.extend(of_config(&ini, &config)),
        // The reason is in the list already: there is no more to be learned from this file.
        Err(_) if plugins => {}
        Err(e) => return Err(e),
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(found)
}

/// Part of the text of what ends the start.
const REFUSED: &str = "supervisord refuses to start";

/// What the text shows. Values are taken as written, since expansions do not change what matters here.
fn of_text(ini: &Ini) -> Vec<Difference> {
    let mut found = Vec::new();
    for section in ini.sections() {
        if section.name.starts_with("ctlplugin:") {
            found.push(Difference {
                place: Some((section.file.to_string(), section.line)),
                subject: format!("[{}]", section.name),
                text: "supervisorctl leaves it out with a warning: it is a plug-in in Python"
                    .to_owned(),
            });
        }
        let Some(kind) = Section::of(&section.name) else { continue };
        if kind == Section::InetHttpServer {
            found.extend(of_web_page(ini, section));
        }
        for entry in ini.entries(section) {
            let value = entry.value.trim();
            let text = not_there(kind, entry)
                .or_else(|| plugin(kind, &entry.key, value))
                .or_else(|| of_program(kind, ini, section, &entry.key, value));
            if let Some(text) = text {
                found.push(Difference {
                    place: Some((entry.file.to_string(), entry.line)),
                    subject: format!("[{}] {}", section.name, shown(entry)),
                    text,
                });
            }
        }
    }
    found
}

fn shown(entry: &Entry) -> String {
    match entry.key.as_str() {
        "password" => entry.key.clone(),
        key => format!("{key}={}", entry.value.lines().next().unwrap_or_default()),
    }
}

/// What browsers meet on TCP. From the text, so that a plug-in that ends the start does not hide it.
fn of_web_page(ini: &Ini, section: &IniSection) -> Vec<Difference> {
    let value = |name: &str| ini.get(section, name).map(|e| e.value.trim());
    let mut texts = Vec::new();
    if !value("get_actions").is_some_and(|v| boolean(v) == Ok(true)) {
        texts.push(
            "links of the web page that start or stop programs ask first; Python Supervisor follows \
             them at once (get_actions=true does so here)",
        );
    }
    if ["username", "allowed_hosts"].into_iter().all(|name| value(name).is_none_or(str::is_empty)) {
        texts.push(
            "without a password, browsers must call this machine by a name of its own \
             (allowed_hosts= adds names); Python Supervisor takes any",
        );
    }
    let difference = |text: &str| Difference {
        place: Some((section.file.to_string(), section.line)),
        subject: format!("[{}]", section.name),
        text: text.to_owned(),
    };
    texts.into_iter().map(difference).collect()
}

/// Options that Supervisor does not have, and values that it does not take.
fn not_there(kind: Section, entry: &Entry) -> Option<String> {
    let option = kind.option(&entry.key)?;
    if !option.in_reference {
        return Some(
            "an option of this supervisord alone; Python Supervisor ignores it".to_owned(),
        );
    }
    let value = entry.value.trim();
    let length = option.kind == "seconds" && whole(value).is_err() && seconds(value).is_ok();
    length.then(|| "a length of time; Python Supervisor takes plain seconds only".to_owned())
}

/// What is a function in Python.
fn plugin(kind: Section, key: &str, value: &str) -> Option<String> {
    let point = entry_point(value);
    let point = point.as_deref();
    let built_in = match (kind, key) {
        (Section::RpcInterface, "supervisor.rpcinterface_factory") => {
            matches!(point, Some(MAIN_INTERFACE | MAIN_CLASS | TWIDDLER_INTERFACE))
        }
        (Section::EventListener, "result_handler") => point == Some(STANDARD_HANDLER),
        _ => true,
    };
    (!built_in).then(|| format!("a plug-in in Python, which cannot be loaded: {REFUSED}"))
}

/// Intended differences that an option of a program brings about.
fn of_program(
    kind: Section,
    ini: &Ini,
    section: &IniSection,
    key: &str,
    value: &str,
) -> Option<String> {
    if !matches!(kind, Section::Program | Section::FcgiProgram | Section::EventListener) {
        return None;
    }
    let other = |name: &str| ini.get(section, name).map(|e| e.value.trim());
    match key {
        "stdout_logfile" | "stderr_logfile" if value.starts_with("/dev/") => {
            let size = other(&format!("{key}_maxbytes"));
            (!size.is_some_and(|s| whole(s) == Ok(0))).then(|| {
                format!(
                    "a device is written to and never rotated; Python Supervisor fails at it \
                     without {key}_maxbytes=0"
                )
            })
        }
        "startsecs" if whole(value) == Ok(0) => {
            let again = other("autorestart").is_none_or(|v| restart(v) != Ok(Autorestart::Never));
            again.then(|| {
                "should it end at once again and again, it is started ever more slowly, down to once a \
                 second; Python Supervisor starts it at every turn"
                    .to_owned()
            })
        }
        "stopasgroup" if boolean(value) == Ok(true) => Some(
            "what is left of its process group is killed, stopwaitsecs after a stop and at once after a \
             crash; Python Supervisor leaves it running when the program itself has ended"
                .to_owned(),
        ),
        _ => None,
    }
}

/// What only a whole reading tells.
fn of_config(ini: &Ini, config: &Config) -> Vec<Difference> {
    let mut found = Vec::new();
    for server in &config.servers {
        let Address::Unix { path, .. } = &server.address else { continue };
        if std::fs::symlink_metadata(path).is_ok_and(|m| !m.file_type().is_socket()) {
            found.push(Difference {
                place: ini.section(&server.section).map(|s| (s.file.to_string(), s.line)),
                subject: format!("[{}]", server.section),
                text: format!(
                    "{} is no socket: {REFUSED} lest it is lost; Python Supervisor removes it",
                    path.display()
                ),
            });
        }
    }
    let section = ini.section("supervisord");
    if let Some(umask) = section.and_then(|s| ini.get(s, "umask"))
        && config.daemon.umask & 0o002 == 0
    {
        found.push(Difference {
            place: Some((umask.file.to_string(), umask.line)),
            subject: format!("[supervisord] {}", shown(umask)),
            text: "logs are not made writable for others; Python Supervisor makes them so"
                .to_owned(),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let mut ini = Ini::default();
        ini.read(text, "f").unwrap();
        of_text(&ini).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_ordinary_program_has_no_difference() {
        let text = "[supervisord]\nlogfile=/tmp/x\n[program:x]\ncommand=cat\nstartsecs=3\n\
                    stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\n\
                    [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = \
                    supervisor.rpcinterface:make_main_rpcinterface\n";
        assert_eq!(of(text), [""; 0]);
    }

    #[test]
    fn plug_ins_in_python_are_named_with_their_lines() {
        let found = of("[rpcinterface:a]\nsupervisor.rpcinterface_factory=a.b:c\n\
                        [eventlistener:e]\nresult_handler=a:b\n[ctlplugin:p]\nx=y\n");
        assert!(
            found[0].starts_with("f:2: [rpcinterface:a] supervisor.rpcinterface_factory=a.b:c: ")
        );
        assert!(found[1].starts_with("f:4: [eventlistener:e] result_handler=a:b: a plug-in"));
        assert!(found[2].starts_with("f:5: [ctlplugin:p]: supervisorctl leaves it out"));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn what_only_one_of_the_two_takes_is_named() {
        let found = of("[inet_http_server]\nport=1\nget_actions=true\npassword=x\n\
                        [program:x]\ncommand=a\nstartsecs=1m30s\nstdout_logfile=/dev/stdout\n");
        let found: Vec<_> = found.iter().filter(|d| !d.contains("without a password")).collect();
        assert!(found[0].starts_with("f:3: [inet_http_server] get_actions=true: an option of"));
        assert!(found[1].starts_with("f:7: [program:x] startsecs=1m30s: a length of time"));
        assert!(found[2].starts_with("f:8: [program:x] stdout_logfile=/dev/stdout: a device"));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_program_without_startsecs_is_slowed_down_only_if_it_is_started_again() {
        let text =
            |restart: &str| format!("[program:x]\ncommand=a\nstartsecs=0\nautorestart={restart}\n");
        assert_eq!(of(&text("true")).len(), 1);
        assert_eq!(of(&text("unexpected")).len(), 1);
        assert_eq!(of(&text("false")).len(), 0);
    }
}

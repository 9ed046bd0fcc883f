//! Lines for people and scripts, from the values of the daemon. Pure. The texts are the reference's:
//! scripts take them apart.

use super::error::CtlError;
use super::names::join;
use crate::rpc::faults;
use crate::rpc::value::{Fault, Value};

/// Said when the daemon answers but does not know the methods.
pub const NO_NAMESPACE: &str = "Sorry, supervisord responded but did not recognize the supervisor \
    namespace commands that supervisorctl uses to control it.  Please check that the \
    [rpcinterface:supervisor] section is enabled in the configuration file (see sample.conf).";

/// Narrowest name column of `status`.
const NAME_WIDTH: usize = 30;
/// Blanks between that column and the state.
const NAME_GAP: usize = 3;
/// State column of `status`.
const STATE_WIDTH: usize = 10;

/// The result for one process, from an array of results or made of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Group.
    pub group: String,
    /// Process; none where a whole group was meant.
    pub name: Option<String>,
    /// Fault code, or SUCCESS.
    pub status: i64,
    /// Fault text.
    pub description: String,
}

impl Outcome {
    /// Reads an item of an array of results.
    ///
    /// # Errors
    /// A member is missing.
    pub fn read(value: &Value) -> Result<Outcome, CtlError> {
        Ok(Outcome {
            group: text(value, "group")?.to_owned(),
            name: Some(text(value, "name")?.to_owned()),
            status: number(value, "status")?,
            description: text(value, "description")?.to_owned(),
        })
    }

    /// The outcome that a fault for one process stands for.
    pub fn of_fault(group: &str, name: Option<&str>, fault: &Fault) -> Outcome {
        Outcome {
            group: group.to_owned(),
            name: name.map(str::to_owned),
            status: i64::from(fault.code),
            description: fault.text.clone(),
        }
    }

    /// Whether it worked.
    pub fn is_success(&self) -> bool {
        self.status == i64::from(faults::SUCCESS.0)
    }

    fn shown(&self) -> String {
        join(&self.group, self.name.as_deref())
    }
}

/// The text member `name` of a struct.
///
/// # Errors
/// It is missing or no text.
pub fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, CtlError> {
    value
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| CtlError::Answer(format!("a text \"{name}\" is missing")))
}

/// The number member `name` of a struct.
///
/// # Errors
/// It is missing or no number.
pub fn number(value: &Value, name: &str) -> Result<i64, CtlError> {
    value
        .get(name)
        .and_then(Value::as_int)
        .ok_or_else(|| CtlError::Answer(format!("a number \"{name}\" is missing")))
}

fn flag(value: &Value, name: &str) -> bool {
    match value.get(name) {
        Some(Value::Bool(set)) => *set,
        Some(Value::Int(n)) => *n != 0,
        _ => false,
    }
}

/// Said when the daemon speaks another API version.
pub fn wrong_api(ours: &str, theirs: &str) -> String {
    format!(
        "Sorry, this version of supervisorctl expects to talk to a server with API version {ours}, \
         but the remote version is {theirs}."
    )
}

/// The table of `status`, all lines at once.
///
/// # Errors
/// A member is missing.
pub fn status_table(infos: &[&Value], colour: bool) -> Result<String, CtlError> {
    let mut rows = Vec::with_capacity(infos.len());
    for info in infos {
        let name = join(text(info, "group")?, Some(text(info, "name")?));
        rows.push((name, text(info, "statename")?, text(info, "description")?));
    }
    let longest = rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
    let width = longest.max(NAME_WIDTH) + NAME_GAP;
    let mut out = String::new();
    for (name, state, description) in rows {
        let padded = format!("{state:<STATE_WIDTH$}");
        let state = match paint(state).filter(|_| colour) {
            Some(code) => format!("\x1b[{code}m{padded}\x1b[0m"),
            None => padded,
        };
        out.push_str(&format!("{name:<width$}{state}{description}\n"));
    }
    Ok(out)
}

/// The SGR code of a state.
fn paint(state: &str) -> Option<&'static str> {
    match state {
        "RUNNING" => Some("32"),
        "STARTING" | "BACKOFF" | "STOPPING" => Some("33"),
        "FATAL" | "UNKNOWN" => Some("31"),
        _ => None,
    }
}

/// Whether `status` counts a state as stopped: STOPPED, EXITED, FATAL, UNKNOWN.
pub fn is_stopped(state: i64) -> bool {
    matches!(state, 0 | 100 | 200 | 1000)
}

fn error(name: &str, why: &str) -> String {
    format!("{name}: ERROR ({why})")
}

fn unknown_code(outcome: &Outcome) -> CtlError {
    let mut text = format!("result code {} for {}", outcome.status, outcome.shown());
    if !outcome.description.is_empty() {
        text.push_str(&format!(" ({})", outcome.description));
    }
    CtlError::Answer(text)
}

/// Finds the fault an outcome stands for among those a command has words for.
fn worded(outcome: &Outcome, words: &[((i32, &str), &str)]) -> Option<String> {
    let hit = words.iter().find(|(fault, _)| i64::from(fault.0) == outcome.status)?;
    Some(error(&outcome.shown(), hit.1))
}

/// The line for a start.
///
/// # Errors
/// A code that a start never gives.
pub fn started(outcome: &Outcome) -> Result<String, CtlError> {
    if outcome.is_success() {
        return Ok(format!("{}: started", outcome.shown()));
    }
    let words = [
        (faults::BAD_NAME, "no such process"),
        (faults::NO_FILE, "no such file"),
        (faults::NOT_EXECUTABLE, "file is not executable"),
        (faults::ALREADY_STARTED, "already started"),
        (faults::SPAWN_ERROR, "spawn error"),
        (faults::ABNORMAL_TERMINATION, "abnormal termination"),
    ];
    worded(outcome, &words).ok_or_else(|| unknown_code(outcome))
}

/// The line for a stop.
///
/// # Errors
/// A code that a stop never gives.
pub fn stopped(outcome: &Outcome) -> Result<String, CtlError> {
    signalled_as(outcome, "stopped")
}

/// The line for a signal.
///
/// # Errors
/// A code that a signal never gives.
pub fn signalled(outcome: &Outcome) -> Result<String, CtlError> {
    signalled_as(outcome, "signalled")
}

fn signalled_as(outcome: &Outcome, done: &str) -> Result<String, CtlError> {
    if outcome.is_success() {
        return Ok(format!("{}: {done}", outcome.shown()));
    }
    if outcome.status == i64::from(faults::FAILED.0) {
        return Ok(outcome.description.clone());
    }
    let words = [
        (faults::BAD_NAME, "no such process"),
        (faults::BAD_SIGNAL, "bad signal name"),
        (faults::NOT_RUNNING, "not running"),
    ];
    worded(outcome, &words).ok_or_else(|| unknown_code(outcome))
}

/// The line for clearing logs.
///
/// # Errors
/// A code that clearing never gives.
pub fn cleared(outcome: &Outcome) -> Result<String, CtlError> {
    if outcome.is_success() {
        return Ok(format!("{}: cleared", outcome.shown()));
    }
    let words = [(faults::BAD_NAME, "no such process"), (faults::FAILED, "failed")];
    worded(outcome, &words).ok_or_else(|| unknown_code(outcome))
}

/// The line for an unknown group.
pub fn no_group(group: &str) -> String {
    error(group, "no such group")
}

/// The line for an unknown process.
pub fn no_process(name: &str) -> String {
    error(name, "no such process")
}

/// The line for a log that cannot be read, where the reference words it.
pub fn log_error(name: &str, fault: &Fault) -> Option<String> {
    let why = match fault.code {
        code if code == faults::NO_FILE.0 => "no log file",
        code if code == faults::FAILED.0 => "unknown error reading log",
        // The activity log has no name to get wrong.
        code if code == faults::BAD_NAME.0 && name != MAIN_LOG => "no such process name",
        _ => return None,
    };
    Some(error(name, why))
}

/// The name `maintail` gives the activity log in errors.
pub const MAIN_LOG: &str = "supervisord";

/// A line of `avail`.
///
/// # Errors
/// A member is missing.
pub fn config_line(info: &Value) -> Result<String, CtlError> {
    let name = join(text(info, "group")?, Some(text(info, "name")?));
    let inuse = if flag(info, "inuse") { "in use" } else { "avail" };
    let autostart = if flag(info, "autostart") { "auto" } else { "manual" };
    let (group, process) = (number(info, "group_prio")?, number(info, "process_prio")?);
    Ok(format!("{name:<32} {inuse:<9} {autostart:<9} {group}:{process}"))
}

/// The result of `reloadConfig`: groups by what happened to them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New groups.
    pub added: Vec<String>,
    /// Groups whose configuration differs.
    pub changed: Vec<String>,
    /// Groups that are gone.
    pub removed: Vec<String>,
}

impl Changes {
    /// Reads `[[added, changed, removed]]`.
    ///
    /// # Errors
    /// Another shape.
    pub fn read(value: &Value) -> Result<Changes, CtlError> {
        let lists = value.as_array().and_then(<[Value]>::first).and_then(Value::as_array);
        let Some([added, changed, removed]) = lists else {
            return Err(CtlError::Answer("reloadConfig gave no three lists".to_owned()));
        };
        Ok(Changes { added: words(added)?, changed: words(changed)?, removed: words(removed)? })
    }

    /// The lines of `reread`, by name. A name in several lists shows the last.
    pub fn lines(&self) -> Vec<String> {
        let lists = [
            (&self.removed, "disappeared"),
            (&self.changed, "changed"),
            (&self.added, "available"),
        ];
        let mut rows: Vec<(&str, &str)> = Vec::new();
        for (names, what) in lists {
            for name in names {
                if !rows.iter().any(|(known, _)| known == name) {
                    rows.push((name, what));
                }
            }
        }
        rows.sort_unstable();
        if rows.is_empty() {
            return vec!["No config updates to processes".to_owned()];
        }
        rows.into_iter().map(|(name, what)| format!("{name}: {what}")).collect()
    }
}

fn words(value: &Value) -> Result<Vec<String>, CtlError> {
    let items = value.as_array().unwrap_or_default().iter();
    items
        .map(|item| item.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or_else(|| CtlError::Answer("a list of names holds something else".to_owned()))
}

/// Names in columns of equal width, filled downwards, as Python's `cmd` module lays them out.
pub fn columns(names: &[&str], width: usize) -> String {
    let longest = |col: &[&str]| col.iter().map(|n| n.len()).max().unwrap_or(0);
    for rows in 1..=names.len() {
        let mut widths: Vec<usize> = names.chunks(rows).map(longest).collect();
        let total = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        if total > width && rows < names.len() {
            continue;
        }
        if rows == names.len() {
            // A single column is not padded there.
            widths.fill(0);
        }
        let mut out = String::new();
        for row in 0..rows {
            let cells = names.chunks(rows).zip(&widths);
            let line: Vec<String> = cells
                .filter_map(|(col, width)| col.get(row).map(|name| format!("{name:<width$}")))
                .collect();
            out.push_str(&line.join("  "));
            out.push('\n');
        }
        return out;
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(group: &str, name: &str, state: &str, description: &str) -> Value {
        let member = |n: &str, v: &str| (n.to_owned(), Value::from(v));
        Value::Struct(vec![
            member("group", group),
            member("name", name),
            member("statename", state),
            member("description", description),
        ])
    }

    fn outcome(status: i64) -> Outcome {
        Outcome {
            group: "g".into(),
            name: Some("p".into()),
            status,
            description: "FAILED: x".into(),
        }
    }

    #[test]
    fn status_pads_names_to_thirty_and_states_to_ten() {
        let (a, b) = (info("up", "up", "RUNNING", "pid 1"), info("g", "é", "STOPPED", ""));
        assert_eq!(
            status_table(&[&a, &b], false).unwrap(),
            format!("{:<33}RUNNING   pid 1\n{:<33}STOPPED   \n", "up", "g:é")
        );
    }

    #[test]
    fn status_widens_for_long_names() {
        let name = "n".repeat(40);
        let row = info(&name, &name, "FATAL", "x");
        assert_eq!(status_table(&[&row], false).unwrap(), format!("{name}   FATAL     x\n"));
    }

    #[test]
    fn colours_stay_around_the_padded_state() {
        let row = info("a", "a", "RUNNING", "x");
        let table = status_table(&[&row], true).unwrap();
        assert!(table.contains("\x1b[32mRUNNING   \x1b[0mx"), "{table:?}");
    }

    #[test]
    fn starts_are_worded() {
        let lines: Vec<_> =
            [80, 10, 20, 21, 60, 50, 40].map(|c| started(&outcome(c)).unwrap()).to_vec();
        assert_eq!(
            lines,
            [
                "g:p: started",
                "g:p: ERROR (no such process)",
                "g:p: ERROR (no such file)",
                "g:p: ERROR (file is not executable)",
                "g:p: ERROR (already started)",
                "g:p: ERROR (spawn error)",
                "g:p: ERROR (abnormal termination)",
            ]
        );
        assert!(started(&outcome(6)).is_err());
    }

    #[test]
    fn stops_and_signals_are_worded() {
        assert_eq!(stopped(&outcome(80)).unwrap(), "g:p: stopped");
        assert_eq!(signalled(&outcome(80)).unwrap(), "g:p: signalled");
        assert_eq!(signalled(&outcome(11)).unwrap(), "g:p: ERROR (bad signal name)");
        assert_eq!(stopped(&outcome(70)).unwrap(), "g:p: ERROR (not running)");
        assert_eq!(stopped(&outcome(30)).unwrap(), "FAILED: x");
        assert!(stopped(&outcome(6)).is_err());
    }

    #[test]
    fn clearing_a_group_shows_none_as_the_reference_does() {
        let fault = Fault { code: 10, text: "BAD_NAME: grp:*".into() };
        let outcome = Outcome::of_fault("grp", None, &fault);
        assert_eq!(cleared(&outcome).unwrap(), "grp:None: ERROR (no such process)");
    }

    #[test]
    fn changes_are_sorted_by_name() {
        let list = |names: &[&str]| Value::Array(names.iter().map(|n| Value::from(*n)).collect());
        let answer =
            Value::Array(vec![Value::Array(vec![list(&["z", "b"]), list(&["c"]), list(&["a"])])]);
        let changes = Changes::read(&answer).unwrap();
        assert_eq!(
            changes.lines(),
            ["a: disappeared", "b: available", "c: changed", "z: available"]
        );
        assert_eq!(Changes::default().lines(), ["No config updates to processes"]);
        assert!(Changes::read(&Value::Array(Vec::new())).is_err());
    }

    #[test]
    fn avail_has_fixed_columns() {
        let mut row = info("g", "p", "", "");
        if let Value::Struct(members) = &mut row {
            members.push(("inuse".into(), Value::Bool(true)));
            members.push(("autostart".into(), Value::Bool(false)));
            members.push(("group_prio".into(), Value::Int(999)));
            members.push(("process_prio".into(), Value::Int(1)));
        }
        assert_eq!(config_line(&row).unwrap(), format!("{:<32} in use    manual    999:1", "g:p"));
    }

    #[test]
    fn columns_fill_downwards() {
        assert_eq!(columns(&["a", "bb", "ccc"], 79), "a  bb  ccc\n");
        assert_eq!(columns(&["a", "bb", "ccc"], 8), "a   ccc\nbb\n");
        assert_eq!(columns(&["a", "bb"], 1), "a\nbb\n");
        assert_eq!(columns(&[], 79), "");
    }
}

//! `status --json` and `/status.json`: a documented, stable schema. Pure.
//!
//! An array of objects, one per process, in the order of `status`. Members are only ever added:
//! `group`, `name` (texts), `state` (number of the reference: 0, 10, 20, 30, 40, 100, 200, 1000),
//! `statename`, `pid` (0: none), `start`, `stop`, `now` (seconds since 1970, 0: never), `uptime` (seconds
//! since the start while there is a pid, else 0), `exitstatus`, `spawnerr`, `description`, `logfiles`
//! (object with `stdout` and `stderr`, empty texts where there is no file).

use super::value::Value;
use crate::json::string;

/// A struct of `getProcessInfo` is not what it should be; from a server of somebody else's.
#[derive(Debug, thiserror::Error)]
#[error("a {kind} \"{name}\" is missing")]
pub struct Missing {
    kind: &'static str,
    name: &'static str,
}

/// The document for the results of `getAllProcessInfo`, with a line end.
///
/// # Errors
/// A member is missing or of another type.
pub fn document(infos: &[&Value]) -> Result<String, Missing> {
    let mut out = String::from("[");
    for (i, info) in infos.iter().enumerate() {
        out.push_str(if i == 0 { "\n  " } else { ",\n  " });
        out.push_str(&object(info)?);
    }
    out.push_str(if infos.is_empty() { "]\n" } else { "\n]\n" });
    Ok(out)
}

fn object(info: &Value) -> Result<String, Missing> {
    let (pid, start, now) = (number(info, "pid")?, number(info, "start")?, number(info, "now")?);
    let uptime = if pid > 0 && start > 0 { now.saturating_sub(start).max(0) } else { 0 };
    Ok(format!(
        "{{\"group\": {}, \"name\": {}, \"state\": {}, \"statename\": {}, \"pid\": {pid}, \
         \"start\": {start}, \"stop\": {}, \"now\": {now}, \"uptime\": {uptime}, \"exitstatus\": {}, \
         \"spawnerr\": {}, \"description\": {}, \"logfiles\": {{\"stdout\": {}, \"stderr\": {}}}}}",
        string(text(info, "group")?),
        string(text(info, "name")?),
        number(info, "state")?,
        string(text(info, "statename")?),
        number(info, "stop")?,
        number(info, "exitstatus")?,
        string(text(info, "spawnerr")?),
        string(text(info, "description")?),
        string(text(info, "stdout_logfile")?),
        string(text(info, "stderr_logfile")?),
    ))
}

fn text<'a>(info: &'a Value, name: &'static str) -> Result<&'a str, Missing> {
    info.get(name).and_then(Value::as_str).ok_or(Missing { kind: "text", name })
}

fn number(info: &Value, name: &'static str) -> Result<i64, Missing> {
    info.get(name).and_then(Value::as_int).ok_or(Missing { kind: "number", name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(pid: i64) -> Value {
        let n = |name: &str, value: i64| (name.to_owned(), Value::Int(value));
        let s = |name: &str, value: &str| (name.to_owned(), Value::from(value));
        Value::Struct(vec![
            s("group", "g"),
            s("name", "a\"b"),
            n("state", 20),
            s("statename", "RUNNING"),
            n("pid", pid),
            n("start", 100),
            n("stop", 0),
            n("now", 107),
            n("exitstatus", 0),
            s("spawnerr", ""),
            s("description", "tab\there"),
            s("stdout_logfile", "/x.log"),
            s("stderr_logfile", ""),
        ])
    }

    #[test]
    fn every_member_is_there() {
        assert_eq!(
            document(&[&info(5)]).unwrap(),
            "[\n  {\"group\": \"g\", \"name\": \"a\\\"b\", \"state\": 20, \"statename\": \"RUNNING\", \
             \"pid\": 5, \"start\": 100, \"stop\": 0, \"now\": 107, \"uptime\": 7, \"exitstatus\": 0, \
             \"spawnerr\": \"\", \"description\": \"tab\\there\", \"logfiles\": {\"stdout\": \"/x.log\", \
             \"stderr\": \"\"}}\n]\n"
        );
    }

    #[test]
    fn no_processes_are_an_empty_array() {
        assert_eq!(document(&[]).unwrap(), "[]\n");
    }

    #[test]
    fn without_a_pid_there_is_no_uptime() {
        assert!(document(&[&info(0)]).unwrap().contains("\"uptime\": 0"));
    }

    #[test]
    fn a_missing_member_is_an_error() {
        assert!(document(&[&Value::Struct(Vec::new())]).is_err());
    }
}

//! From text to typed values, one function per kind of value, by the rules of the reference.
//!
//! Any thread. Pure, but for users, groups and folders, which are looked up.

use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User as Account};

use super::env::Env;
use super::model::{Autorestart, Level, LogTarget, User};
use super::paths;
use super::pytext::{int, is_space, strip};
use super::shlex::shlex_tokens;

pub use super::shlex::{ShlexError, shlex_split};
pub use super::signals::{signal_name, signal_number};

/// Why a text is not the value an option needs; each says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The texts say it.
pub enum ValueError {
    #[error("not a whole number")]
    Int,
    #[error("not a whole number of seconds, nor a length of time such as 90s or 1m30s")]
    Seconds,
    #[error("not a size: use a whole number of bytes, or one with KB, MB or GB at its end")]
    Size,
    #[error("neither true (yes, true, on, 1) nor false (no, false, off, 0)")]
    Bool,
    #[error("not one of true, false, unexpected")]
    Restart,
    #[error("not an octal number such as 022")]
    Octal,
    #[error("not a log level: use critical, error, warn, info, debug, trace or blather")]
    Level,
    #[error("not a signal: use a name such as TERM or SIGUSR1, or its number")]
    Signal,
    #[error("not a list of exit codes: use whole numbers from 0 to 255, with commas")]
    ExitCodes,
    #[error("there is no such folder")]
    Folder,
    #[error("the folder {0:?} does not exist")]
    FolderOf(String),
    #[error("there is no user of that name")]
    UserName,
    #[error("there is no user with that id")]
    UserId,
    #[error("there is no group of that name")]
    GroupName,
    #[error("there is no group with that id")]
    GroupId,
    #[error("not a port: use a number from 1 to 65535, or host:port")]
    Port,
    #[error("not a list of variables: use NAME=\"value\" with commas between")]
    Pairs,
    #[error("{0}: not a list of variables: use NAME=\"value\" with commas between")]
    Quote(ShlexError),
    #[error("a name must not hold {0:?}")]
    Name(char),
    #[error("not a whole number from 1 to 65535")]
    Backlog,
    #[error("must be 1 or more")]
    BufferSize,
    #[error("{0}")]
    Other(&'static str),
}

/// A whole number, as Python's `int()` reads it. Huge ones end at those of 64 bits.
pub fn whole(text: &str) -> Result<i64, ValueError> {
    int(text, 10).ok_or(ValueError::Int)
}

/// Seconds: a whole number, or (an extension) a length of time such as `1m30s`. More than 68 years
/// are as good as for ever, so that sums of deadlines stay in range.
pub fn seconds(text: &str) -> Result<i64, ValueError> {
    const EVER: i64 = i32::MAX as i64;
    if let Some(n) = int(text, 10) {
        return Ok(n.clamp(-EVER, EVER));
    }
    let parsed = humantime::parse_duration(strip(text)).map_err(|_| ValueError::Seconds)?;
    if parsed.subsec_nanos() != 0 || parsed > Duration::from_secs(EVER as u64) {
        return Err(ValueError::Seconds);
    }
    i64::try_from(parsed.as_secs()).map_err(|_| ValueError::Seconds)
}

/// A number of things that are counted: what is below zero counts as zero.
pub fn count(text: &str) -> Result<u32, ValueError> {
    whole(text).map(|n| u32::try_from(n.max(0)).unwrap_or(u32::MAX))
}

/// A least limit of the system: what is below zero asks for nothing.
pub fn limit(text: &str) -> Result<u64, ValueError> {
    whole(text).map(|n| u64::try_from(n).unwrap_or(0))
}

/// Bytes, with the suffix KB, MB or GB in any case, or none.
pub fn byte_size(text: &str) -> Result<i64, ValueError> {
    let lower = text.to_lowercase();
    for (suffix, factor) in [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)] {
        if let Some(number) = lower.strip_suffix(suffix) {
            let n = int(number, 10).ok_or(ValueError::Size)?;
            return Ok(n.saturating_mul(factor));
        }
    }
    int(&lower, 10).ok_or(ValueError::Size)
}

/// A truth value.
pub fn boolean(text: &str) -> Result<bool, ValueError> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err(ValueError::Bool),
    }
}

/// `autorestart=`.
pub fn restart(text: &str) -> Result<Autorestart, ValueError> {
    match (boolean(text), text.to_lowercase() == "unexpected") {
        (Ok(true), _) => Ok(Autorestart::Always),
        (Ok(false), _) => Ok(Autorestart::Never),
        (Err(_), true) => Ok(Autorestart::Unexpected),
        (Err(_), false) => Err(ValueError::Restart),
    }
}

/// Permission bits: an octal number, of which those bits count that a mode has.
pub fn octal(text: &str) -> Result<u32, ValueError> {
    let n = int(text, 8).ok_or(ValueError::Octal)?;
    u32::try_from(n & 0o7777).map_err(|_| ValueError::Octal)
}

/// A level of the activity log.
pub fn level(text: &str) -> Result<Level, ValueError> {
    match text.to_lowercase().as_str() {
        "critical" => Ok(Level::Critical),
        "error" => Ok(Level::Error),
        "warn" => Ok(Level::Warn),
        "info" => Ok(Level::Info),
        "debug" => Ok(Level::Debug),
        "trace" => Ok(Level::Trace),
        "blather" => Ok(Level::Blather),
        _ => Err(ValueError::Level),
    }
}

/// A signal.
pub fn signal(text: &str) -> Result<i32, ValueError> {
    signal_number(text).ok_or(ValueError::Signal)
}

/// `exitcodes=`; an empty text is an empty list.
pub fn exit_codes(text: &str) -> Result<Vec<i32>, ValueError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|part| match int(part, 10) {
            Some(n @ 0..=255) => i32::try_from(n).map_err(|_| ValueError::ExitCodes),
            _ => Err(ValueError::ExitCodes),
        })
        .collect()
}

/// Texts with commas between, stripped; an empty text is an empty list.
pub fn list(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|part| strip(part).to_owned()).collect()
}

/// The name of a process or a group: nothing that would break the events or the page's links.
pub fn name(text: &str) -> Result<String, ValueError> {
    let text = strip(text);
    match [' ', ':', '/'].into_iter().find(|c| text.contains(*c)) {
        Some(c) => Err(ValueError::Name(c)),
        None => Ok(text.to_owned()),
    }
}

/// `A="1",B=2` to names and values: in the order in which the names first appear, the last value
/// of a name wins.
///
/// The reference looks at every fourth token only, so what follows a value up to the next comma
/// is dropped (`A=x y`), and takes any quotes off the ends of values.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, ValueError> {
    let tokens = shlex_tokens(text).map_err(ValueError::Quote)?;
    let mut found: Vec<(String, String)> = Vec::new();
    for group in tokens.chunks(4) {
        let [key, equals, value, ..] = group else { return Err(ValueError::Pairs) };
        if equals != "=" {
            return Err(ValueError::Pairs);
        }
        let value = value.trim_matches(['\'', '"']).to_owned();
        match found.iter_mut().find(|(k, _)| k == key) {
            Some(old) => old.1 = value,
            None => found.push((key.clone(), value)),
        }
    }
    Ok(found)
}

/// A folder that exists, `~` worked out.
pub fn folder(text: &str, env: &Env) -> Result<String, ValueError> {
    let path = paths::expanduser(text, env);
    if paths::is_dir(&path, env) { Ok(path) } else { Err(ValueError::Folder) }
}

/// A file in a folder that exists, `~` worked out; the file itself need not exist.
pub fn file_in_folder(text: &str, env: &Env) -> Result<String, ValueError> {
    let path = paths::expanduser(text, env);
    let dir = paths::dirname(&path);
    if dir.is_empty() || paths::is_dir(dir, env) {
        Ok(path)
    } else {
        Err(ValueError::FolderOf(dir.to_owned()))
    }
}

/// What a log file option says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogName {
    /// A target, the ordinary case.
    Target(LogTarget),
    /// `syslog`: the old way to ask for syslog.
    Syslog,
}

/// `stdout_logfile=` and `stderr_logfile=`. An empty name is no log, as it is in effect there.
pub fn log_name(text: &str, env: &Env) -> Result<LogName, ValueError> {
    match text.to_lowercase().as_str() {
        "" | "none" | "off" => Ok(LogName::Target(LogTarget::None)),
        "auto" => Ok(LogName::Target(LogTarget::Auto)),
        "syslog" => Ok(LogName::Syslog),
        _ => Ok(LogName::Target(LogTarget::File(file_in_folder(text, env)?.into()))),
    }
}

/// A user by name or number. Of several names of one id the first counts, as it does when the
/// reference changes ids.
pub fn user(text: &str) -> Result<User, ValueError> {
    let (uid, missing) = match int(text, 10) {
        Some(n) => (u32::try_from(n).map_err(|_| ValueError::UserId)?, ValueError::UserId),
        None => {
            let account = Account::from_name(text).ok().flatten().ok_or(ValueError::UserName)?;
            (account.uid.as_raw(), ValueError::UserName)
        }
    };
    let account = Account::from_uid(Uid::from_raw(uid)).ok().flatten().ok_or(missing)?;
    Ok(User { name: account.name, uid, gid: account.gid.as_raw() })
}

/// A group id by name or number.
fn group(text: &str) -> Result<u32, ValueError> {
    match int(text, 10) {
        Some(n) => {
            let gid = u32::try_from(n).map_err(|_| ValueError::GroupId)?;
            let found = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
            found.map(|g| g.gid.as_raw()).ok_or(ValueError::GroupId)
        }
        None => {
            let found = Group::from_name(text).ok().flatten();
            found.map(|g| g.gid.as_raw()).ok_or(ValueError::GroupName)
        }
    }
}

/// The group id that leaves a file's group as it is, chown's -1.
pub const KEEP_GROUP: u32 = u32::MAX;

/// `user` or `user:group` to ids; without a group [`KEEP_GROUP`].
pub fn owner(text: &str) -> Result<(u32, u32), ValueError> {
    match text.split_once(':') {
        None => Ok((user(text)?.uid, KEEP_GROUP)),
        Some((u, g)) => Ok((user(u)?.uid, group(g)?)),
    }
}

/// A TCP port.
pub fn port(text: &str) -> Result<u16, ValueError> {
    match int(text, 10).map(u16::try_from) {
        Some(Ok(n)) if n > 0 => Ok(n),
        _ => Err(ValueError::Port),
    }
}

/// `port=` of a server: `port`, `host:port` or `*:port`; no host means all interfaces.
pub fn inet_address(text: &str) -> Result<(String, u16), ValueError> {
    let (host, number) = text.rsplit_once(':').unwrap_or(("", text));
    let host = if host == "*" { String::new() } else { host.to_lowercase() };
    Ok((host, port(number)?))
}

/// Host and port of `tcp://host:port`.
pub fn tcp_url(text: &str) -> Option<(String, u16)> {
    let rest = text.strip_prefix("tcp://")?;
    let rest = rest.strip_suffix('\n').unwrap_or(rest);
    let (host, number) = rest.split_once(':')?;
    let host_ok = !host.is_empty() && !host.contains(is_space);
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    if !host_ok || !digits {
        return None;
    }
    Some((host.to_lowercase(), port(number).ok()?))
}

/// Module and attribute of a Python entry point such as `package.module:name`, in one spelling.
pub fn entry_point(text: &str) -> Option<String> {
    let word =
        |s: &str| !s.is_empty() && s.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    let (module, name) = text.split_once(':')?;
    let (module, name) = (module.trim_end_matches(is_space), strip(name));
    // Extras in square brackets may follow and mean nothing here.
    let name = match name.split_once('[') {
        Some((n, extras)) if extras.ends_with(']') => strip(n),
        _ => name,
    };
    (word(module) && word(name)).then(|| format!("{module}:{name}"))
}

/// Whether a text is a URL by the reference's measure for `-s` of supervisorctl: a scheme, and
/// something behind it.
pub fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    // What counts behind it is a host or a path; a query or a fragment alone does not.
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    scheme_ok && !rest.is_empty() && !rest.starts_with(['?', '#'])
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;

//! What a configuration says that is accepted, but probably not meant. For a check of the files, never
//! for a start: the reference accepts it without a word, and so do we.
//!
//! Pure but for the reading of the files; any thread.

use super::error::ConfigError;
use super::ini::{Entry, Ini, Section};
use super::keys::{Opt, known};
use super::load;
use super::model::Overrides;
use super::near::nearest;
use super::shlex::shlex_split;

/// Kinds of sections that carry a name.
const NAMED: [&str; 6] =
    ["program", "fcgi-program", "eventlistener", "group", "rpcinterface", "ctlplugin"];
/// Kinds of sections that need none.
const PLAIN: [&str; 5] =
    ["supervisord", "supervisorctl", "unix_http_server", "inet_http_server", "include"];

/// Section headers that were not closed and so became options, sections and options nobody reads,
/// options given twice or indented into the value above, commands that cannot be split.
///
/// # Errors
/// Those of reading the files.
pub fn hints(overrides: &Overrides) -> Result<Vec<String>, ConfigError> {
    let ini = load::raw(overrides)?;
    let mut found = Vec::new();
    for section in ini.sections() {
        found.extend(of_kind(section));
        let options = known(&section.name);
        let options = options.as_deref();
        for e in ini.entries(section) {
            found.extend(of_entry(section, e, options));
        }
    }
    found.extend(repeated(&ini));
    Ok(found)
}

/// A section that nobody reads.
fn of_kind(section: &Section) -> Option<String> {
    let (kind, named) = match section.name.split_once(':') {
        Some((kind, _)) => (kind, true),
        None => (section.name.as_str(), false),
    };
    let at = format!("{}:{}: [{}]", section.file, section.line, section.name);
    if NAMED.contains(&kind) {
        return (!named).then(|| format!("{at}: needs a name, as in [{kind}:x]; it is ignored"));
    }
    if PLAIN.contains(&kind) {
        return None;
    }
    let meant = match nearest(kind, NAMED.into_iter().chain(PLAIN)).first() {
        Some(name) => format!("; is {name} meant?"),
        None => String::new(),
    };
    Some(format!("{at}: there is no such kind of section, it is ignored{meant}"))
}

fn of_entry(section: &Section, e: &Entry, options: Option<&[Opt]>) -> Option<String> {
    let at = format!("{}:{}: [{}] {}", e.file, e.line, section.name, e.key);
    if e.key.starts_with('[') {
        return Some(format!("{at}: read as an option: is a ] missing?"));
    }
    let options = options?;
    if options.iter().all(|o| o.key != e.key) {
        let meant = match nearest(&e.key, options.iter().map(|o| o.key)).first() {
            Some(name) => format!("; is {name} meant?"),
            None => String::new(),
        };
        return Some(format!("{at}: there is no such option, it is ignored{meant}"));
    }
    if let Some(key) = swallowed(&e.value, options) {
        return Some(format!(
            "{at}: the line that begins with {key} is indented and so belongs to this value"
        ));
    }
    if e.key == "command" {
        let error = shlex_split(&e.value).err()?;
        return Some(format!(
            "{at}={}: cannot be started: {error} (a comment begins at a ; or # after white space, \
             in quotes too)",
            e.value
        ));
    }
    None
}

/// An option that stands in a line of another's value.
fn swallowed(value: &str, options: &[Opt]) -> Option<&'static str> {
    value.lines().skip(1).find_map(|line| {
        let (key, _) = line.split_once(['=', ':'])?;
        let key = key.trim().to_lowercase();
        options.iter().find(|o| o.key == key).map(|o| o.key)
    })
}

fn repeated(ini: &Ini) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for again in ini.repeated() {
        let before = &again.before;
        let told = match (&before.file, before.line) == (&again.file, again.line) {
            true => {
                format!("{}: read more than once, by patterns of files= that overlap", again.file)
            }
            false => format!(
                "{}:{}: [{}] {}: given before at {}:{}; this one counts",
                again.file, again.line, again.section, before.key, before.file, before.line
            ),
        };
        if found.last() != Some(&told) {
            found.push(told);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Folder;

    fn said(text: &str) -> Vec<String> {
        let dir = Folder::new();
        dir.write("s.conf", text);
        let file = format!("{}/s.conf", dir.path());
        let over = Overrides { configuration: Some(file.clone()), ..Overrides::default() };
        hints(&over).unwrap().iter().map(|line| line.replace(&file, "F")).collect()
    }

    #[test]
    fn a_command_that_a_comment_cuts_short_is_told() {
        let said = said("[supervisord]\n[program:p]\ncommand=sh -c \"a ; b\"\n");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("F:3: [program:p] command=sh -c \"a: cannot be started: No"));
    }

    #[test]
    fn what_nobody_reads_is_told() {
        let text = "[supervisord]\nuser_=x\n[program:p]\ncommand=x\n[program:q\ncommand=y\n\
                    [programs:r]\ncomand=z\n[group]\n[mine]\nx=y\n[program:s]\ncommand=x\n\
                    autorestrat=no\n[rpcinterface:r]\nx=y\n";
        assert_eq!(
            said(text),
            [
                "F:2: [supervisord] user_: there is no such option, it is ignored; is user meant?",
                "F:5: [program:p] [program: read as an option: is a ] missing?",
                "F:7: [programs:r]: there is no such kind of section, it is ignored; is program meant?",
                "F:9: [group]: needs a name, as in [group:x]; it is ignored",
                "F:10: [mine]: there is no such kind of section, it is ignored",
                "F:14: [program:s] autorestrat: there is no such option, it is ignored; is autorestart meant?",
                "F:6: [program:p] command: given before at F:4; this one counts",
            ]
        );
    }

    #[test]
    fn a_file_that_is_included_twice_is_told_once() {
        let dir = Folder::new();
        dir.write("a.ini", "[program:a]\ncommand=x\nuser=root\n");
        dir.write("s.conf", "[supervisord]\n[include]\nfiles=a.ini *.ini\n");
        let file = format!("{}/s.conf", dir.path());
        let over = Overrides { configuration: Some(file), ..Overrides::default() };
        let told = format!(
            "{}/a.ini: read more than once, by patterns of files= that overlap",
            dir.path()
        );
        assert_eq!(hints(&over).unwrap(), [told]);
    }

    #[test]
    fn options_in_the_value_above_and_given_twice_are_told() {
        let text = "[program:p]\ncommand=x\n  autostart=no\n[program:q]\ncommand=x\n\
                    environment=A=1,\n  B=2\n[program:q]\ncommand=y\n";
        assert_eq!(
            said(text),
            [
                "F:2: [program:p] command: the line that begins with autostart is indented and so \
                 belongs to this value",
                "F:9: [program:q] command: given before at F:5; this one counts",
            ]
        );
    }
}

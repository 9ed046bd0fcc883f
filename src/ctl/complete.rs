//! Completion of commands and names in the shell. Thread: main, inside the line editor. Owns: what it
//! was told of processes since the last command. Touches: the daemon.

use std::cell::RefCell;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use super::commands;
use super::names::{Known, join};
use super::render::text;
use super::target::Target;
use super::transport::{Client, Rpc};
use crate::rpc::value::Value;

/// Completes words of a line.
pub struct Words {
    target: Target,
    known: RefCell<Option<Vec<Known>>>,
}

impl Words {
    /// A completer that asks this daemon when it has to.
    pub fn new(target: Target) -> Words {
        Words { target, known: RefCell::new(None) }
    }

    fn candidates(&self, line: &str, word: &str) -> Vec<String> {
        let mut before = line.split_whitespace();
        let action = before.next();
        match action {
            Some(_) if before.next().is_none() && !line.ends_with(char::is_whitespace) => {
                starting(commands::names(), word)
            }
            None | Some("help") => starting(commands::names(), word),
            Some("add" | "remove" | "update") => starting(groups(&self.known()), word),
            Some(
                "clear" | "fg" | "pid" | "restart" | "signal" | "start" | "status" | "stop"
                | "tail",
            ) => starting(processes(&self.known(), word.contains(':')), word),
            Some(_) => Vec::new(),
        }
    }

    /// The processes there are; none when the daemon does not tell.
    fn known(&self) -> Vec<Known> {
        let mut known = self.known.borrow_mut();
        known.get_or_insert_with(|| fetch(&self.target).unwrap_or_default()).clone()
    }
}

fn fetch(target: &Target) -> Option<Vec<Known>> {
    let infos = Client::default().call(target, "supervisor.getAllProcessInfo", &[]).ok()?;
    let known = |info: &Value| {
        let (group, name) = (text(info, "group").ok()?, text(info, "name").ok()?);
        Some(Known { group: group.to_owned(), name: name.to_owned() })
    };
    infos.as_array()?.iter().map(known).collect()
}

fn starting<T: AsRef<str>>(names: Vec<T>, word: &str) -> Vec<String> {
    let names = names.iter().map(AsRef::as_ref).filter(|name| name.starts_with(word));
    names.map(str::to_owned).collect()
}

fn groups(known: &[Known]) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for k in known {
        if !groups.contains(&k.group) {
            groups.push(k.group.clone());
        }
    }
    groups
}

/// Names of processes and, for groups that are not one process of the same name, `group:*`.
fn processes(known: &[Known], with_group: bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for k in known {
        if with_group || k.name != k.group {
            names.push(format!("{}:{}", k.group, k.name));
            let whole = format!("{}:*", k.group);
            if !names.contains(&whole) {
                names.push(whole);
            }
        } else {
            names.push(join(&k.group, Some(&k.name)));
        }
    }
    names
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = line.get(..pos).unwrap_or(line);
        let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let word = line.get(start..).unwrap_or("");
        let pairs = self.candidates(line, word).into_iter();
        let pairs = pairs.map(|name| Pair { replacement: format!("{name} "), display: name });
        Ok((start, pairs.collect()))
    }
}

impl Hinter for Words {
    type Hint = String;
}
impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::target::Origin;

    fn words() -> Words {
        let target = Target {
            url: "unix:///nowhere".into(),
            origin: Origin::Default,
            username: None,
            password: None,
        };
        let known = [("up", "up"), ("grp", "w0"), ("grp", "w1")]
            .map(|(group, name)| Known { group: group.into(), name: name.into() });
        Words { target, known: RefCell::new(Some(known.to_vec())) }
    }

    fn completed(line: &str) -> Vec<String> {
        words().candidates(line, line.rsplit(' ').next().unwrap())
    }

    #[test]
    fn the_first_word_is_a_command() {
        assert_eq!(completed("st"), ["start", "status", "stop"]);
        assert_eq!(completed("help re"), ["reload", "remove", "reread", "restart"]);
        assert_eq!(completed("").len(), commands::names().len());
    }

    #[test]
    fn other_words_are_names_of_the_right_kind() {
        assert_eq!(completed("stop "), ["up", "grp:w0", "grp:*", "grp:w1"]);
        assert_eq!(completed("stop u"), ["up"]);
        assert_eq!(completed("stop up:"), ["up:up", "up:*"]);
        assert_eq!(completed("signal HUP grp:w1"), ["grp:w1"]);
        assert_eq!(completed("update "), ["up", "grp"]);
        assert_eq!(completed("version "), Vec::<String>::new());
    }
}

//! What is wrong with a configuration, told to people: file, line, section, key, value, and what
//! is allowed.
//!
//! Pure; any thread.

use super::expand::ExpandError;
use super::ini::{Entry, IniError};
use super::values::ValueError;

/// A configuration that cannot be used. The text is meant to follow `Error: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No file was named and none is in the usual places.
    #[error(
        "no configuration file in the usual places ({}); name one with -c",
        searched.join(", ")
    )]
    NoFile {
        /// The places.
        searched: Vec<String>,
    },
    /// The named file is not there.
    #[error("could not find config file {file}")]
    Missing {
        /// The file, as named.
        file: String,
    },
    /// The file cannot be read.
    #[error("could not read config file {file}: {why}")]
    Unreadable {
        /// The file, as named.
        file: String,
        /// The system's reason.
        why: String,
    },
    /// The file is not UTF-8 text.
    #[error("{file}:{line}: not UTF-8 text")]
    Encoding {
        /// File.
        file: String,
        /// Line with the first wrong byte.
        line: usize,
    },
    /// The text does not follow the syntax.
    #[error(transparent)]
    Syntax(#[from] IniError),
    /// A section that must be there is not.
    #[error("{file}: there is no [{section}] section")]
    NoSection {
        /// Main file.
        file: String,
        /// The section's name.
        section: &'static str,
    },
    /// An option that must be there is not.
    #[error("{file}:{line}: [{section}] needs a line {key}=..., {about}")]
    NoKey {
        /// File of the section.
        file: String,
        /// Line of its header.
        line: usize,
        /// Section.
        section: String,
        /// The option.
        key: &'static str,
        /// What it is for.
        about: &'static str,
    },
    /// A value that cannot be taken.
    #[error("{}[{section}] {}: {problem}", place(entry.as_deref()), shown(key, entry.as_deref()))]
    Value {
        /// Section.
        section: String,
        /// Option.
        key: String,
        /// Where it stands; none when the default is at fault.
        entry: Option<Box<Entry>>,
        /// What is wrong.
        problem: Problem,
    },
    /// Something about a section as a whole.
    #[error("{file}:{line}: [{section}]: {problem}")]
    Section {
        /// File of the section.
        file: String,
        /// Line of its header.
        line: usize,
        /// Section.
        section: String,
        /// What is wrong.
        problem: String,
    },
    /// A value from the command line.
    #[error("invalid value for {option} {value:?}: {problem}")]
    Option {
        /// The option, such as `-m`.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is wrong.
        problem: ValueError,
    },
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is not of the kind needed.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// It cannot be expanded.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// It fits the kind, but not its surroundings.
    #[error("{0}")]
    Text(String),
}

fn place(entry: Option<&Entry>) -> String {
    entry.map_or_else(String::new, |e| format!("{}:{}: ", e.file, e.line))
}

/// Characters of a value that are shown.
const SHOWN: usize = 120;

fn shown(key: &str, entry: Option<&Entry>) -> String {
    let Some(entry) = entry else { return key.to_owned() };
    if key == "password" {
        return format!("{key}=(not shown)");
    }
    let value: String = entry.value.chars().take(SHOWN).collect();
    let dots = if value.len() < entry.value.len() { "..." } else { "" };
    format!("{key}={}{dots}", value.replace('\n', "\\n"))
}

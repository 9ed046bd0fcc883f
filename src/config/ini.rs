//! The reader of INI text: pure, text in, sections with file and line per key out.
//!
//! The rules are those of Python's `RawConfigParser(inline_comment_prefixes=(';', '#'),
//! strict=False)`, which the reference uses: first strip, then comments; a deeper indent continues
//! the value before it; keys are lower-cased, section names are not; repeated sections merge and
//! the last option wins; `[DEFAULT]` is inherited by all. Any thread; touches nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::pytext::{is_space, strip};

/// All that the files read so far say.
#[derive(Debug, Clone, Default)]
pub struct Ini {
    sections: Vec<Section>,
    index: HashMap<String, usize>,
    defaults: Vec<Entry>,
    repeated: Vec<Repeated>,
}

/// An option that was given once more; the last one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// Its section.
    pub section: String,
    /// What it was before.
    pub before: Entry,
    /// File of the other.
    pub file: Arc<str>,
    /// Line of the other.
    pub line: usize,
}

/// One section.
#[derive(Debug, Clone)]
pub struct Section {
    /// The text between the brackets, untouched.
    pub name: String,
    /// File in which it first appears.
    pub file: Arc<str>,
    /// Line of its first header.
    pub line: usize,
    entries: Vec<Entry>,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name, in lower case.
    pub key: String,
    /// Value without comments; continuation lines are joined by newlines.
    pub value: String,
    /// File of the value that won.
    pub file: Arc<str>,
    /// Line of the value that won.
    pub line: usize,
}

/// A text that is no INI text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IniError {
    /// Something stands before the first `[section]`.
    #[error(
        "{file}:{line}: {text:?} stands before the first section: a line like [supervisord] \
             must come first"
    )]
    NoHeader {
        /// File.
        file: Arc<str>,
        /// Line number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A byte order mark before the first `[section]`.
    #[error(
        "{file}:1: the file begins with a byte order mark, which the reference takes for a part of \
         the first line, too: save it as UTF-8 without one"
    )]
    Mark {
        /// File.
        file: Arc<str>,
    },
    /// Lines that are neither a section, nor an option, nor a comment.
    #[error("{}", describe(file, lines))]
    Lines {
        /// File.
        file: Arc<str>,
        /// Number and text of each.
        lines: Vec<(usize, String)>,
    },
}

fn describe(file: &str, lines: &[(usize, String)]) -> String {
    let each: Vec<String> = lines
        .iter()
        .map(|(n, text)| {
            format!("{file}:{n}: {text:?} is neither [section] nor key=value nor a comment")
        })
        .collect();
    each.join("\n")
}

/// Where the reader stands in a file.
struct Cursor {
    /// The open section: an index, or the defaults.
    section: Option<Target>,
    /// The open option: its index there.
    option: Option<usize>,
    /// Indent of the line that opened it, in characters.
    indent: usize,
}

#[derive(Clone, Copy)]
enum Target {
    Defaults,
    Section(usize),
}

impl Ini {
    /// Reads one more file. After an error the content is of no use.
    pub fn read(&mut self, text: &str, file: &str) -> Result<(), IniError> {
        let file: Arc<str> = Arc::from(file);
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut at = Cursor { section: None, option: None, indent: 0 };
        let mut touched = Vec::new();
        let mut bad = Vec::new();
        let body = text.strip_suffix('\n').unwrap_or(&text);
        for (number, line) in body.split('\n').enumerate().map(|(i, l)| (i + 1, l)) {
            let (value, commented) = uncommented(line);
            if value.is_empty() {
                if !commented {
                    self.append(&at, "");
                }
                continue;
            }
            let indent = line.chars().take_while(|c| is_space(*c)).count();
            if indent > at.indent && at.section.is_some() && at.option.is_some() {
                self.append(&at, value);
                continue;
            }
            at.indent = indent;
            if let Some(name) = header(value) {
                at.section = Some(self.open(name, &file, number));
                at.option = None;
                continue;
            }
            let Some(target) = at.section else {
                if value.starts_with('\u{feff}') {
                    return Err(IniError::Mark { file });
                }
                return Err(IniError::NoHeader { file, line: number, text: value.to_owned() });
            };
            match option(value) {
                Some(("", _)) => {
                    at.option = None;
                    bad.push((number, value.to_owned()));
                }
                Some((key, val)) => {
                    let i = self.put(target, key.to_lowercase(), val, &file, number);
                    at.option = Some(i);
                    touched.push((target, i));
                }
                None => bad.push((number, value.to_owned())),
            }
        }
        for (target, i) in touched {
            if let Some(e) = self.entries_mut(target).get_mut(i) {
                let kept = e.value.trim_end_matches(is_space).len();
                e.value.truncate(kept);
            }
        }
        if bad.is_empty() { Ok(()) } else { Err(IniError::Lines { file, lines: bad }) }
    }

    /// A text of one section whose options are given as they are: no comments, no continuation
    /// lines. `file` and the place in the list stand in errors.
    pub fn of_section(name: &str, options: &[(String, String)], file: &str) -> Ini {
        let file: Arc<str> = Arc::from(file);
        let mut ini = Ini::default();
        let section = ini.open(name, &file, 0);
        for (i, (key, value)) in options.iter().enumerate() {
            ini.put(section, key.to_lowercase(), value, &file, i + 1);
        }
        ini
    }

    /// Sections in the order of their first appearance, without the defaults.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Options that were given more than once in their section, in order.
    pub fn repeated(&self) -> &[Repeated] {
        &self.repeated
    }

    /// A section by its exact name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.index.get(name).and_then(|i| self.sections.get(*i))
    }

    /// An option of a section, its own or inherited.
    pub fn get<'a>(&'a self, section: &'a Section, key: &str) -> Option<&'a Entry> {
        let named = |e: &&Entry| e.key == key;
        section.entries.iter().find(named).or_else(|| self.defaults.iter().find(named))
    }

    /// All options of a section: its own, then the inherited ones it does not set.
    pub fn entries<'a>(&'a self, section: &'a Section) -> impl Iterator<Item = &'a Entry> {
        let inherited =
            self.defaults.iter().filter(|d| section.entries.iter().all(|e| e.key != d.key));
        section.entries.iter().chain(inherited)
    }

    /// Puts a folder in place of `%(here)s` wherever it still stands, inherited options included:
    /// what the reference does once per file as soon as there is an `[include]`.
    pub fn replace_here(&mut self, here: &str) {
        const MARK: &str = "%(here)s";
        for section in &mut self.sections {
            for d in &self.defaults {
                if d.value.contains(MARK) && section.entries.iter().all(|e| e.key != d.key) {
                    section.entries.push(d.clone());
                }
            }
            for e in &mut section.entries {
                if e.value.contains(MARK) {
                    e.value = e.value.replace(MARK, here);
                }
            }
        }
    }

    fn open(&mut self, name: &str, file: &Arc<str>, line: usize) -> Target {
        if let Some(i) = self.index.get(name) {
            return Target::Section(*i);
        }
        if name == "DEFAULT" {
            return Target::Defaults;
        }
        let i = self.sections.len();
        self.index.insert(name.to_owned(), i);
        self.sections.push(Section {
            name: name.to_owned(),
            file: file.clone(),
            line,
            entries: Vec::new(),
        });
        Target::Section(i)
    }

    fn entries_mut(&mut self, target: Target) -> &mut Vec<Entry> {
        match target {
            Target::Section(i) if i < self.sections.len() => &mut self.sections[i].entries,
            _ => &mut self.defaults,
        }
    }

    fn put(
        &mut self,
        target: Target,
        key: String,
        value: &str,
        file: &Arc<str>,
        line: usize,
    ) -> usize {
        let new = Entry { key, value: value.to_owned(), file: file.clone(), line };
        let entries = self.entries_mut(target);
        match entries.iter().position(|e| e.key == new.key) {
            Some(i) => {
                let (file, line) = (new.file.clone(), new.line);
                let before = std::mem::replace(&mut entries[i], new);
                if let Target::Section(at) = target {
                    let section = self.sections.get(at).map(|s| s.name.clone()).unwrap_or_default();
                    self.repeated.push(Repeated { section, before, file, line });
                }
                i
            }
            None => {
                entries.push(new);
                entries.len() - 1
            }
        }
    }

    fn append(&mut self, at: &Cursor, more: &str) {
        if let (Some(target), Some(i)) = (at.section, at.option)
            && let Some(e) = self.entries_mut(target).get_mut(i)
        {
            e.value.push('\n');
            e.value.push_str(more);
        }
    }
}

/// The line without its comment and white space, and whether it had a comment.
fn uncommented(line: &str) -> (&str, bool) {
    let bare = strip(line);
    if bare.starts_with(['#', ';']) {
        return ("", true);
    }
    match inline_comment(line) {
        Some(at) => (strip(&line[..at]), true),
        None => (bare, false),
    }
}

/// Where an inline comment begins: at a `;` or `#` after white space.
///
/// Python tries the first `;` together with the first `#`, then the second of each and so on, and
/// stops at the first round with a hit; so a comment may win that is not the leftmost.
fn inline_comment(line: &str) -> Option<usize> {
    let mut semicolons = line.match_indices(';').map(|(i, _)| i);
    let mut hashes = line.match_indices('#').map(|(i, _)| i);
    let begins = |i: &usize| line[..*i].chars().next_back().is_none_or(is_space);
    loop {
        let (a, b) = (semicolons.next(), hashes.next());
        if a.is_none() && b.is_none() {
            return None;
        }
        let hit = [a, b].into_iter().flatten().filter(begins).min();
        if hit.is_some() {
            return hit;
        }
    }
}

/// The name in a section header: up to the last bracket, whatever follows it.
fn header(value: &str) -> Option<&str> {
    let rest = value.strip_prefix('[')?;
    let name = &rest[..rest.rfind(']')?];
    // `[]` is no header, `[]]` is one.
    (!name.is_empty()).then_some(name)
}

/// Key and value of an option line, parted by the first `=` or `:`.
fn option(value: &str) -> Option<(&str, &str)> {
    let at = value.find(['=', ':'])?;
    Some((strip(&value[..at]), strip(&value[at + 1..])))
}

#[cfg(test)]
#[path = "ini_tests.rs"]
mod tests;

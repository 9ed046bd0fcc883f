//! Typed reading of one section: find the option, expand it, convert it, or say where and why not.
//!
//! Any thread; touches what the conversion touches.

use super::env::Env;
use super::error::{ConfigError, Problem};
use super::expand::{Names, Scope, expand};
use super::ini::{Entry, Ini, Section};
use super::keys::Opt;
use super::values::ValueError;

/// What all sections are read from.
pub struct Source<'a> {
    /// The text, read.
    pub ini: &'a Ini,
    /// The surroundings.
    pub env: &'a Env,
    /// Names known to every option: `ENV_` ones.
    pub base: &'a Names,
    /// Folder of the main file.
    pub here: &'a str,
}

impl<'a> Source<'a> {
    /// A section with no names but the common ones.
    pub fn bare(&'a self, section: &'a Section) -> Fields<'a> {
        Fields { source: self, section, names: Names::default() }
    }

    /// A section whose options may also use `%(here)s`.
    pub fn with_here(&'a self, section: &'a Section) -> Fields<'a> {
        let mut fields = self.bare(section);
        fields.names.set("here", self.here);
        fields
    }

    /// Sections whose name begins so, in order.
    pub fn prefixed(&self, prefix: &'static str) -> impl Iterator<Item = &'a Section> + use<'a> {
        self.ini.sections().iter().filter(move |s| s.name.starts_with(prefix))
    }
}

/// One section being read.
pub struct Fields<'a> {
    /// Where it is from.
    pub source: &'a Source<'a>,
    /// The section.
    pub section: &'a Section,
    /// Names known here besides the common ones; they win over those.
    pub names: Names,
}

/// Type of the results here.
type Read<T> = Result<T, ConfigError>;

impl<'a> Fields<'a> {
    /// The option as it stands in the file.
    pub fn entry(&self, opt: &Opt) -> Option<&'a Entry> {
        self.source.ini.get(self.section, opt.key)
    }

    /// The option's text, or its default, unexpanded.
    pub fn raw(&self, opt: &Opt) -> Option<&'a str> {
        self.entry(opt).map(|e| e.value.as_str()).or(opt.default)
    }

    /// Expands a text that belongs to an option.
    pub fn expand(&self, opt: &Opt, text: &str) -> Read<String> {
        expand(text, Scope(&[&self.names, self.source.base])).map_err(|e| self.fault(opt, e))
    }

    /// The option's text, or its default, expanded.
    pub fn text(&self, opt: &Opt) -> Read<Option<String>> {
        self.raw(opt).map(|raw| self.expand(opt, raw)).transpose()
    }

    /// The option converted, if it is there or has a default.
    pub fn maybe<T>(
        &self,
        opt: &Opt,
        convert: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Read<Option<T>> {
        match self.text(opt)? {
            None => Ok(None),
            Some(text) => convert(&text).map(Some).map_err(|e| self.fault(opt, e)),
        }
    }

    /// The option converted; that it is missing is an error, unless it has a default.
    pub fn need<T>(
        &self,
        opt: &Opt,
        convert: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Read<T> {
        self.maybe(opt, convert)?.ok_or_else(|| self.missing(opt))
    }

    /// An error about an option's value.
    pub fn fault(&self, opt: &Opt, problem: impl Into<Problem>) -> ConfigError {
        self.fault_at(opt.key, self.entry(opt), problem)
    }

    /// An error about an option without an entry in the table.
    pub fn fault_at(
        &self,
        key: &str,
        entry: Option<&Entry>,
        problem: impl Into<Problem>,
    ) -> ConfigError {
        ConfigError::Value {
            section: self.section.name.clone(),
            key: key.to_owned(),
            entry: entry.cloned().map(Box::new),
            problem: problem.into(),
        }
    }

    /// The error that an option is missing.
    pub fn missing(&self, opt: &Opt) -> ConfigError {
        ConfigError::NoKey {
            file: self.section.file.to_string(),
            line: self.section.line,
            section: self.section.name.clone(),
            key: opt.key,
            about: opt.about,
        }
    }

    /// An error about the section as a whole.
    pub fn wrong(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::Section {
            file: self.section.file.to_string(),
            line: self.section.line,
            section: self.section.name.clone(),
            problem: problem.into(),
        }
    }
}

//! What is printed, and where. Thread: main. Owns: stdout and stderr of the program.
//!
//! stdout carries what the reference prints, byte for byte. A reader that has gone away never stops
//! work that was begun.

use std::io::{self, Write};

/// The two streams, and what the user asked about them.
pub struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    quiet: bool,
    hints: bool,
    /// State names in colour.
    pub colour: bool,
    /// stdout holds a document: everything else goes to stderr.
    pub document: bool,
    gone: bool,
}

impl Output {
    /// The program's own streams. `quiet`: no lines that report success. `hints`: a person watches,
    /// so stderr may say more than the reference does.
    pub fn std(quiet: bool, colour: bool, hints: bool) -> Output {
        Output {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            quiet,
            hints,
            colour,
            document: false,
            gone: false,
        }
    }

    /// Other streams, for tests.
    pub fn to(out: Box<dyn Write>, err: Box<dyn Write>, quiet: bool) -> Output {
        Output { out, err, quiet, hints: false, colour: false, document: false, gone: false }
    }

    /// Prints a line.
    pub fn line(&mut self, text: &str) {
        let text = format!("{text}\n");
        if self.document {
            let _ = self.err.write_all(text.as_bytes());
        } else {
            self.text(&text);
        }
    }

    /// Prints a line that reports success: the one kind that `-q` leaves out.
    pub fn success(&mut self, text: &str) {
        if !self.quiet {
            self.line(text);
        }
    }

    /// Prints to stdout as it is.
    pub fn text(&mut self, text: &str) {
        let done = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        if done.is_err() {
            self.gone = true;
        }
    }

    /// Prints a line to stderr.
    pub fn complain(&mut self, text: &str) {
        let _ = self.err.write_all(format!("{text}\n").as_bytes());
    }

    /// Prints a line to stderr when a person is watching.
    pub fn hint(&mut self, text: &str) {
        if self.hints {
            self.complain(text);
        }
    }

    /// Whether lines that report success are left out.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether nobody reads stdout any more.
    pub fn is_gone(&self) -> bool {
        self.gone
    }
}

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
    lost: Option<io::Error>,
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
            lost: None,
        }
    }

    /// Other streams, for tests.
    pub fn to(out: Box<dyn Write>, err: Box<dyn Write>, quiet: bool) -> Output {
        Output {
            out,
            err,
            quiet,
            hints: false,
            colour: false,
            document: false,
            gone: false,
            lost: None,
        }
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
        if let Err(error) = done {
            self.gone = true;
            // `supervisorctl status | head -1` is no mistake; a full disk is.
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.lost.get_or_insert(error);
            }
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

    /// Why something that stdout was to get is not there, unless its reader just left. Asked once,
    /// at the end.
    pub fn take_lost(&mut self) -> Option<io::Error> {
        self.lost.take()
    }

    /// Whether nobody reads stdout any more.
    pub fn is_gone(&self) -> bool {
        self.gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lost(kind: io::ErrorKind) -> bool {
        let mut out = Output::to(Box::new(Failing(kind)), Box::new(io::sink()), false);
        out.line("web RUNNING");
        assert!(out.is_gone());
        out.take_lost().is_some()
    }

    #[test]
    fn a_full_disk_is_told_and_a_reader_that_left_is_not() {
        assert!(lost(io::ErrorKind::StorageFull));
        assert!(!lost(io::ErrorKind::BrokenPipe));
    }
}

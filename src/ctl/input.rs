//! Lines typed or piped in. Thread: main. Owns: what was read from stdin beyond the last line.
//!
//! One buffer serves the shell, its questions and `fg`, so that lines piped in reach whoever is next.

use std::io::{self, Read};

/// stdin without a buffer of its own, which others could not see.
#[derive(Debug)]
struct RawStdin;

impl Read for RawStdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match nix::unistd::read(io::stdin(), buf) {
                Err(nix::errno::Errno::EINTR) => {}
                done => return done.map_err(io::Error::from),
            }
        }
    }
}

/// A source of lines.
pub struct Input {
    source: Box<dyn Read>,
    held: Vec<u8>,
}

impl Input {
    /// The program's stdin.
    pub fn stdin() -> Input {
        Input::from(Box::new(RawStdin))
    }

    /// Another source, for tests.
    pub fn from(source: Box<dyn Read>) -> Input {
        Input { source, held: Vec::new() }
    }

    /// The next line without its end, or none at the end of input. A last line needs no line end.
    ///
    /// # Errors
    /// stdin cannot be read.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(line) = self.held_line() {
                return Ok(Some(line));
            }
            if !self.fill()? {
                return Ok(self.rest());
            }
        }
    }

    /// A whole line that was read already, for callers that wait for stdin themselves.
    pub fn held_line(&mut self) -> Option<String> {
        let end = self.held.iter().position(|b| *b == b'\n')?;
        let mut line: Vec<u8> = self.held.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    /// What is held of a line that the end of input cut short.
    pub fn rest(&mut self) -> Option<String> {
        let held = std::mem::take(&mut self.held);
        (!held.is_empty()).then(|| String::from_utf8_lossy(&held).into_owned())
    }

    /// Reads once; false at the end of input. A terminal may go on after its end.
    ///
    /// # Errors
    /// stdin cannot be read.
    pub fn fill(&mut self) -> io::Result<bool> {
        let mut block = [0; 4096];
        let n = self.source.read(&mut block)?;
        self.held.extend_from_slice(block.get(..n).unwrap_or_default());
        Ok(n > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_the_last_needs_no_end() {
        let mut input = Input::from(Box::new(&b"one\r\n\ntwo"[..]));
        let mut lines = Vec::new();
        while let Some(line) = input.line().unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, ["one", "", "two"]);
    }
}

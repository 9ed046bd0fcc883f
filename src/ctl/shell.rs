//! The interactive shell: prompt, line editing with history, and plain lines where stdin or stdout is
//! no terminal. Thread: main. Owns: the line editor. Touches: the history file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{CompletionType, Config, Editor};

use super::commands::Flow;
use super::complete::Words;
use super::dispatch::run_line;
use super::interrupt;
use super::session::Ctl;
use super::tty;

/// Most lines of history kept in memory.
const HISTORY: usize = 10_000;

/// Runs the shell until it is left. It starts with `status`; the exit code is always 0.
pub fn run(ctl: &mut Ctl, prompt: &str, history: Option<PathBuf>) {
    let prompt = format!("{prompt}> ");
    let mut editor = if tty::can_edit() { editor(history) } else { None };
    interrupt::leave_shell();
    let mut flow = run_line(ctl, "status");
    while flow == Flow::Stay {
        let line = match &mut editor {
            Some(editor) => editor.line(ctl, &prompt),
            None => {
                ctl.out.text(&prompt);
                Typed::of(ctl.input.line().ok().flatten())
            }
        };
        flow = match line {
            Typed::Line(line) => run_line(ctl, &line),
            Typed::End => run_line(ctl, "EOF"),
            Typed::Interrupted => {
                ctl.out.line("");
                Flow::Leave
            }
        };
    }
}

/// What came of asking for a line.
enum Typed {
    Line(String),
    End,
    Interrupted,
}

impl Typed {
    fn of(line: Option<String>) -> Typed {
        line.map_or(Typed::End, Typed::Line)
    }
}

/// The line editor and its history file.
struct LineEditor {
    editor: Editor<Words, MemHistory>,
    history: Option<PathBuf>,
}

/// None where the terminal cannot be used for editing.
fn editor(history: Option<PathBuf>) -> Option<LineEditor> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .max_history_size(HISTORY)
        .ok()?
        .auto_add_history(false)
        .build();
    let memory = MemHistory::with_config(&config);
    let mut editor = Editor::with_history(config, memory).ok()?;
    if let Some(path) = &history {
        for line in read_history(path) {
            let _ = editor.add_history_entry(line);
        }
    }
    Some(LineEditor { editor, history })
}

impl LineEditor {
    fn line(&mut self, ctl: &Ctl, prompt: &str) -> Typed {
        self.editor.set_helper(Some(Words::new(ctl.target.clone())));
        match self.editor.readline(prompt) {
            Ok(line) => {
                if !line.is_empty() && self.editor.add_history_entry(&line).unwrap_or(false) {
                    self.save(&line);
                }
                Typed::Line(line)
            }
            Err(ReadlineError::Interrupted) => Typed::Interrupted,
            Err(_) => Typed::End,
        }
    }

    /// Appends at once: whatever ends the shell, the history is there. A history that cannot be
    /// written is no reason to stop, as in the reference.
    fn save(&self, line: &str) {
        if let Some(path) = &self.history {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        }
    }
}

/// Plain lines, as the reference's readline writes them.
fn read_history(path: &Path) -> Vec<String> {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

//! `hash_password`: makes what a configuration stores in place of a password. A command of ours.

use std::io::{self, IsTerminal};

use super::{Flow, print_help};
use crate::ctl::error::CtlError;
use crate::ctl::session::Ctl;
use crate::ctl::tty;
use crate::password;

/// `hash_password`: asks twice on a terminal, else reads a line. Talks to no supervisord.
///
/// # Errors
/// The terminal fails.
pub fn hash(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !arg.is_empty() {
        ctl.refuse("Error: hash_password takes no arguments: others could see the password");
        print_help(ctl, "hash_password");
        return Ok(Flow::Stay);
    }
    let asked = io::stdin().is_terminal();
    let mut ask = |prompt: &str| match asked {
        true => tty::password(prompt, &mut ctl.input).map_err(CtlError::Terminal),
        false => ctl.input.line().map_err(CtlError::Terminal),
    };
    let first = ask("Password: ")?;
    let second = if asked { ask("Again: ")? } else { first.clone() };
    match first.filter(|word| !word.is_empty()) {
        None => ctl.refuse("Error: no password was given"),
        Some(word) if Some(&word) != second.as_ref() => {
            ctl.refuse("Error: the two passwords differ");
        }
        Some(word) => match password::hash(&word) {
            Ok(hash) => ctl.out.line(&hash),
            Err(e) => ctl.refuse(&format!("Error: {e}")),
        },
    }
    Ok(Flow::Stay)
}

//! `help`.

use super::{Flow, TABLE, print_help};
use crate::ctl::error::CtlError;
use crate::ctl::render;
use crate::ctl::session::Ctl;

/// Heading of the list; the reference names its plug-in "default" there.
const HEADING: &str = "default commands (type help <topic>):";
/// Columns of the list.
const WIDTH: usize = 79;

/// `help [command]`
///
/// # Errors
/// None.
pub fn help(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    match arg {
        "" => {
            let listed: Vec<&str> = TABLE.iter().map(|command| command.name).collect();
            let rule = "=".repeat(HEADING.len());
            ctl.out.text(&format!("\n{HEADING}\n{rule}\n{}\n", render::columns(&listed, WIDTH)));
        }
        "help" => {
            ctl.out.line("help\t\tList the commands");
            ctl.out.line("help <action>\tTell what a command does");
        }
        name => {
            if !print_help(ctl, name) {
                ctl.out.line(&format!("*** No help on {name}"));
            }
        }
    }
    Ok(Flow::Stay)
}

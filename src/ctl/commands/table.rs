//! The table: names, help and functions of all commands.
//!
//! Help lines are `form`, a tab or more, text. Scripts see the forms, which are the reference's; the
//! texts are ours. Lines without a tab are the reference's too, since some errors print them.

use super::{events, fg, groups, help, logs, password, process, server, status, top};
use crate::ctl::error::CtlError;
use crate::ctl::session::Ctl;

/// Whether the shell goes on after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Stay,
    /// It ends.
    Leave,
}

/// What carries a command out: the rest of the line comes without blanks around.
pub type Run = fn(&mut Ctl, &str) -> Result<Flow, CtlError>;

/// A command.
#[derive(Debug)]
pub struct Command {
    /// The word that is typed.
    pub name: &'static str,
    /// What `help NAME` prints, without the last line end.
    pub help: &'static str,
    /// What it does.
    pub run: Run,
}

/// All commands that `help` lists, by name.
pub const TABLE: &[Command] = &[
    Command {
        name: "add",
        help: "add <name> [...]\tBring groups that are configured but not active into service",
        run: groups::add,
    },
    Command {
        name: "avail",
        help: "avail\t\t\tList every configured process, active or not",
        run: groups::avail,
    },
    Command {
        name: "clear",
        help: "clear <name>\t\tEmpty the log files of a process\n\
               clear <name> <name>\tEmpty those of several\n\
               clear all\t\tEmpty those of all processes",
        run: process::clear,
    },
    Command { name: "exit", help: "exit\tLeave this shell.", run: server::quit },
    Command {
        name: "fg",
        help: "fg <process>\tShow a process's output and send it what is typed\n\
               \t\tCtrl-C ends it",
        run: fg::fg,
    },
    Command {
        name: "maintail",
        help: "maintail -f \tFollow supervisord's own log (Ctrl-C ends it)\n\
               maintail -100\tThe last 100 *bytes* of it (maintail -n 20: the last 20 lines)\n\
               maintail\tThe last 1600 *bytes* of it\n",
        run: logs::maintail,
    },
    Command {
        name: "open",
        help: "open <url>\tTalk to another supervisord.\n\
               \t\t(a Unix socket is unix:///path/of/socket)",
        run: server::open,
    },
    Command {
        name: "pid",
        help: "pid\t\t\tThe PID of supervisord.\n\
               pid <name>\t\tThe PID of a process, 0 if it has none.\n\
               pid all\t\t\tThe PIDs of all processes, one a line.",
        run: status::pid,
    },
    Command { name: "quit", help: "quit\tLeave this shell.", run: server::quit },
    Command {
        name: "reload",
        help: "reload \t\tRestart supervisord itself, with all processes.",
        run: server::reload,
    },
    Command {
        name: "remove",
        help: "remove <name> [...]\tTake stopped groups out of service",
        run: groups::remove,
    },
    Command {
        name: "reread",
        help: "reread \t\t\tRead the configuration again and tell what differs, without acting on it",
        run: groups::reread,
    },
    Command {
        name: "restart",
        help: "restart <name>\t\tStop and start a process\n\
               restart <gname>:*\tThe same for all processes of a group\n\
               restart <name> <name>\tThe same for several processes or groups\n\
               restart all\t\tThe same for all processes\n\
               Note: restart does not reread config files. For that, see reread and update.",
        run: process::restart,
    },
    Command {
        name: "shutdown",
        help: "shutdown \tStop all processes and supervisord.",
        run: server::shutdown,
    },
    Command {
        name: "signal",
        help: "signal <signal name> <name>\t\tSend a signal to a process\n\
               signal <signal name> <gname>:*\t\tTo all processes of a group\n\
               signal <signal name> <name> <name>\tTo several processes or groups\n\
               signal <signal name> all\t\tTo all processes",
        run: process::signal,
    },
    Command {
        name: "start",
        help: "start <name>\t\tStart a process (a pattern like web* starts all it matches)\n\
               start <gname>:*\t\tStart all processes of a group\n\
               start <name> <name>\tStart several processes or groups\n\
               start all\t\tStart all processes",
        run: process::start,
    },
    Command {
        name: "status",
        help: "status <name>\t\tThe state of a process\n\
               status <gname>:*\tThe states of all processes of a group\n\
               status <name> <name>\tThe states of several\n\
               status\t\t\tThe states of all processes (status --json [<name> ...]: as JSON)",
        run: status::status,
    },
    Command {
        name: "stop",
        help: "stop <name>\t\tStop a process (a pattern like web* stops all it matches)\n\
               stop <gname>:*\t\tStop all processes of a group\n\
               stop <name> <name>\tStop several processes or groups\n\
               stop all\t\tStop all processes",
        run: process::stop,
    },
    Command {
        name: "tail",
        help: "tail [-f] <name> [stdout|stderr] (default stdout)\n\
               Ex:\n\
               tail -f <name>\t\tFollow the stdout log of a process\n\
               \t\t\tCtrl-C ends it.\n\
               tail -100 <name>\tThe last 100 *bytes* of its stdout (tail -n 20 <name>: 20 lines)\n\
               tail <name> stderr\tThe last 1600 *bytes* of its stderr",
        run: logs::tail,
    },
    Command {
        name: "update",
        help: "update\t\t\tRead the configuration again and add, remove and restart what differs\n\
               update all\t\tThe same\n\
               update <gname> [...]\tThe same for these groups only",
        run: groups::update,
    },
    Command {
        name: "version",
        help: "version\t\t\tThe version of the supervisord that answers",
        run: server::version,
    },
];

/// Commands of ours, which `help` does not list: scripts compare its list with the reference's.
pub const OURS: &[Command] = &[
    Command {
        name: "events",
        help: "events\t\t\tShow what happens, as it happens (Ctrl-C ends it)\n\
           events <type> [...]\tOnly events of these types, such as PROCESS_STATE or TICK_60\n\
           events -n 5\t\tEnd after 5 of them\n\
           events --json\t\tEach as a JSON object in a line of its own",
        run: events::events,
    },
    Command {
        name: "hash_password",
        help: "hash_password\tMake a salted hash of a password for password= in a configuration",
        run: password::hash,
    },
    Command {
        name: "top",
        help: "top\t\tWhat processes use, every two seconds (Ctrl-C ends it); once when piped\n\
           top -n 5\t5 times",
        run: top::top,
    },
];

fn command(name: &str) -> Option<&'static Command> {
    TABLE.iter().chain(OURS).find(|command| command.name == name)
}

/// The function of a command, also of those that `help` does not list.
pub fn find(name: &str) -> Option<Run> {
    match name {
        "help" => Some(help::help),
        "EOF" => Some(server::quit),
        _ => command(name).map(|command| command.run),
    }
}

/// All names to complete, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = TABLE.iter().chain(OURS).map(|command| command.name).collect();
    names.push("help");
    names.sort_unstable();
    names
}

/// Prints the help of one command; false if there is none.
pub fn print_help(ctl: &mut Ctl, name: &str) -> bool {
    let found = command(name);
    if let Some(command) = found {
        ctl.out.line(command.help);
    }
    found.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_line_of_help_names_its_command() {
        assert!(TABLE.is_sorted_by_key(|command| command.name));
        for command in TABLE.iter().chain(OURS) {
            assert!(command.help.starts_with(command.name), "{}", command.name);
        }
    }

    #[test]
    fn help_and_the_end_of_input_are_commands_too() {
        assert!(find("help").is_some() && find("EOF").is_some());
        assert!(find("nope").is_none());
        assert_eq!(names().len(), TABLE.len() + OURS.len() + 1);
    }
}

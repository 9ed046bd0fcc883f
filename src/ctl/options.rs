//! The command line. Pure. Options are read as Python's `getopt` does: they end at the first word,
//! long ones may be abbreviated, and one given twice is an error.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::target::is_url;
use crate::config::pytext::repr;

/// What was asked for on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `-c`
    pub configuration: Option<String>,
    /// `-s`
    pub serverurl: Option<String>,
    /// `-u`
    pub username: Option<String>,
    /// `-p`
    pub password: Option<String>,
    /// `-r`
    pub history_file: Option<String>,
    /// `-i`
    pub interactive: bool,
    /// `-q`
    pub quiet: bool,
    /// The action and its arguments.
    pub words: Vec<String>,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Carry on.
    Run(Options),
    /// Print this and end.
    Help(String),
    /// Say this on stderr and end.
    Wrong(String),
}

/// The options, for parsing and for everything made of them.
pub fn command() -> Command {
    let text = |name: &'static str, short, value, help| {
        Arg::new(name)
            .short(short)
            .long(name)
            .value_name(value)
            .allow_hyphen_values(true)
            .help(help)
    };
    let flag = |name: &'static str, short, help| {
        Arg::new(name).short(short).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("supervisorctl")
        .about("Controls the processes of a running supervisord.")
        .override_usage("supervisorctl [OPTIONS] [ACTION [ARGUMENT]...]")
        .after_help(
            "Without an action a shell is started that reads actions line by line. The action\n\
             \"help\" lists them, \"help ACTION\" tells about one. Beside those listed there are\n\
             \"events\" (what happens, as it happens), \"top\" (what processes use) and\n\
             \"hash_password\" (for password= in a configuration).\n\n\
             Without -c the first of these files that exists is read:\n  \
             ../etc/supervisord.conf and ../supervisord.conf, from the program's folder,\n  \
             supervisord.conf, etc/supervisord.conf, from the current one,\n  \
             /etc/supervisord.conf, /etc/supervisor/supervisord.conf",
        )
        .disable_help_flag(true)
        .disable_version_flag(true)
        .infer_long_args(true)
        .arg(text("configuration", 'c', "FILE", "Configuration file whose [supervisorctl] counts"))
        .arg(flag("help", 'h', "Print this help").short_alias('?').overrides_with("help"))
        .arg(flag("interactive", 'i', "Ask before drastic actions, and for passwords"))
        .arg(text(
            "serverurl",
            's',
            "URL",
            "Where supervisord listens: http://host:port or unix:///path",
        ))
        .arg(text("username", 'u', "NAME", "User name to log in with"))
        .arg(text("password", 'p', "PASSWORD", "Password to log in with"))
        .arg(text("history_file", 'r', "FILE", "Keep the shell's history in this file"))
        .arg(flag("quiet", 'q', "Print no lines that only report success"))
        .arg(
            Arg::new("action")
                .value_name("ACTION")
                .num_args(0..)
                .trailing_var_arg(true)
                .value_parser(clap::value_parser!(OsString))
                .help("What to do, with its arguments"),
        )
}

/// Reads the command line. `args` starts with the program's name.
pub fn parse(args: Vec<OsString>) -> Parsed {
    let mut command = command();
    let matches = match command.try_get_matches_from_mut(keep_equal_signs(args)) {
        Ok(matches) => matches,
        Err(error) => return Parsed::Wrong(message(&error)),
    };
    if matches.get_flag("help") {
        return Parsed::Help(command.render_help().to_string());
    }
    let options = typed(&matches);
    match options.serverurl.as_deref().filter(|url| !is_url(url)) {
        Some(url) => {
            let url = repr(url);
            Parsed::Wrong(format!("invalid value for -s {url}: value {url} is not a URL"))
        }
        None => Parsed::Run(options),
    }
}

/// Letters of the options that take a value.
const VALUED: &[u8] = b"csupr";

/// clap drops the equal sign of `-p=x`, `getopt` takes it as part of the value: doubled, one stays.
fn keep_equal_signs(args: Vec<OsString>) -> Vec<OsString> {
    let mut is_value = true; // the program's name
    let mut done = false;
    let mut out = Vec::with_capacity(args.len());
    for arg in args {
        let bytes = arg.as_bytes();
        if is_value || done {
            is_value = false;
        } else if bytes == b"--" || bytes == b"-" || !bytes.starts_with(b"-") {
            done = true;
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            // All long options take a value but --help, --interactive and --quiet.
            is_value = !long.contains(&b'=') && !matches!(long, [b'i' | b'q', ..] | b"help");
        } else if let Some(at) = bytes.iter().position(|b| VALUED.contains(b)) {
            is_value = at + 1 == bytes.len();
            if bytes.get(at + 1) == Some(&b'=') {
                let mut doubled = bytes.to_vec();
                doubled.insert(at + 1, b'=');
                out.push(OsString::from_vec(doubled));
                continue;
            }
        }
        out.push(arg);
    }
    out
}

fn typed(matches: &ArgMatches) -> Options {
    let text = |name| matches.get_one::<String>(name).cloned();
    let words = matches.get_many::<OsString>("action").into_iter().flatten();
    Options {
        configuration: text("configuration"),
        serverurl: text("serverurl"),
        username: text("username"),
        password: text("password"),
        history_file: text("history_file"),
        interactive: matches.get_flag("interactive"),
        quiet: matches.get_flag("quiet"),
        words: words.map(|word| word.to_string_lossy().into_owned()).collect(),
    }
}

/// The sentence for an option that cannot be read, worded as `getopt` does.
fn message(error: &clap::Error) -> String {
    let arg = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => arg.split([' ', '=']).next().unwrap_or("").to_owned(),
        _ => String::new(),
    };
    match error.kind() {
        ErrorKind::UnknownArgument => format!("option {arg} not recognized"),
        ErrorKind::ArgumentConflict => format!("conflicting command line option {}", repr(&arg)),
        ErrorKind::TooManyValues => format!("option {arg} must not have an argument"),
        ErrorKind::InvalidUtf8 => "an option is not in UTF-8".to_owned(),
        _ => format!("option {arg} requires argument"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Parsed {
        parse(std::iter::once("ctl").chain(args.iter().copied()).map(OsString::from).collect())
    }

    fn run(args: &[&str]) -> Options {
        match parsed(args) {
            Parsed::Run(options) => options,
            other => panic!("{other:?}"),
        }
    }

    fn wrong(args: &[&str]) -> String {
        match parsed(args) {
            Parsed::Wrong(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_end_at_the_action() {
        let options = run(&["-i", "-u", "bob", "tail", "-f", "-s", "x"]);
        assert!(options.interactive);
        assert_eq!(options.username.as_deref(), Some("bob"));
        assert_eq!(options.words, ["tail", "-f", "-s", "x"]);
    }

    #[test]
    fn arguments_of_the_action_stay_as_they_are() {
        assert_eq!(
            run(&["status", "--json", "-h", "--", "x"]).words,
            ["status", "--json", "-h", "--", "x"]
        );
        assert_eq!(run(&["--", "-x"]).words, ["-x"]);
        assert_eq!(run(&["signal HUP", ""]).words, ["signal HUP", ""]);
    }

    #[test]
    fn values_come_joined_apart_and_with_dashes() {
        assert_eq!(run(&["-pa-b"]).password.as_deref(), Some("a-b"));
        assert_eq!(run(&["-p", "-x"]).password.as_deref(), Some("-x"));
        assert_eq!(run(&["--password=x=y"]).password.as_deref(), Some("x=y"));
        assert_eq!(run(&["-p=x", "a", "-s=y"]).password.as_deref(), Some("=x"));
        assert_eq!(run(&["-p", "-s=y"]).password.as_deref(), Some("-s=y"));
        assert_eq!(run(&["-p", ""]).password.as_deref(), Some(""));
        assert_eq!(run(&["-iqu", "n"]).username.as_deref(), Some("n"));
    }

    #[test]
    fn long_options_may_be_abbreviated() {
        assert_eq!(run(&["--conf", "f"]).configuration.as_deref(), Some("f"));
        assert_eq!(run(&["--server", "http://x"]).serverurl.as_deref(), Some("http://x"));
        assert!(run(&["--inter"]).interactive);
        assert_eq!(run(&["--hist", "h"]).history_file.as_deref(), Some("h"));
    }

    #[test]
    fn errors_are_worded_as_getopt_does() {
        assert_eq!(wrong(&["-Z", "version"]), "option -Z not recognized");
        assert_eq!(wrong(&["--nope=1", "version"]), "option --nope not recognized");
        assert!(wrong(&["-s"]).ends_with("requires argument"));
        assert!(wrong(&["-u", "a", "-u", "b"]).starts_with("conflicting command line option"));
        assert!(wrong(&["-i", "-i"]).starts_with("conflicting command line option"));
        assert_eq!(
            wrong(&["-s", "nourl"]),
            "invalid value for -s 'nourl': value 'nourl' is not a URL"
        );
    }

    #[test]
    fn help_has_three_names() {
        for name in ["-h", "-?", "--help"] {
            assert!(matches!(parsed(&[name]), Parsed::Help(_)), "{name}");
        }
        assert!(matches!(parsed(&["-h", "-Z"]), Parsed::Wrong(_)));
    }
}

//! supervisord's command line: arguments in, a decision what to do out. Pure; used once, on the
//! main thread at boot.
//!
//! clap reads the arguments under the rules of Python's getopt, which Supervisor uses and start
//! scripts rely on: long names may be abbreviated, values may start with a dash, no option may be
//! given twice, and a mistake anywhere on the line wins over `-h` and `-v`. Values stay text here;
//! `config` types them by the same rules as those of the file.

use crate::config::model::Overrides;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// Run, or only check the configuration.
    Run(Box<Run>),
    /// Print [`version_text`] to stdout and exit 0.
    Version,
    /// Print this to stdout and exit 0.
    Help(String),
    /// A mistake: print this to stderr, as it is, and exit 2.
    Usage(String),
}

/// How to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// What wins over the configuration file.
    pub overrides: Overrides,
    /// `--check`: read the configuration, report, exit. Not an option of Supervisor.
    pub check: bool,
    /// `--differences`: the same, with what differs from Supervisor. Not an option of it either.
    pub differences: bool,
    /// To be logged as warnings once there is a log.
    pub warnings: Vec<String>,
}

/// The line that `-v` prints.
pub fn version_text() -> String {
    format!("{}\n", env!("CARGO_PKG_VERSION"))
}

/// What goes to stderr, before exit status 2, when the command line or the configuration is wrong.
/// The second line is Supervisor's.
pub fn usage_text(argv0: &str, message: &str) -> String {
    format!("Error: {message}\nFor help, use {argv0} -h\n")
}

/// One option of the command line.
struct Opt {
    /// Long name; also the key under which clap keeps it.
    long: &'static str,
    short: Option<char>,
    /// What the help calls its value; none: a flag.
    value: Option<&'static str>,
    help: &'static str,
}

const fn flag(short: char, long: &'static str, help: &'static str) -> Opt {
    Opt { long, short: Some(short), value: None, help }
}

const fn valued(short: char, long: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { long, short: Some(short), value: Some(value), help }
}

/// Letters and names are Supervisor's, but for `--check` and `--differences`.
#[rustfmt::skip]
const OPTS: &[Opt] = &[
    valued('c', "configuration", "FILE", "Read this configuration; without it the usual places are searched"),
    Opt { long: "check", short: None, value: None, help: "Read the configuration, say what is wrong with it, and exit" },
    Opt { long: "differences", short: None, value: None, help: "Read the configuration, say what would be different from Python Supervisor with it, and exit" },
    flag('n', "nodaemon", "Stay in the foreground"),
    flag('s', "silent", "In the foreground, do not copy the log to stdout"),
    valued('u', "user", "USER", "Change to this account (name or number) after the start"),
    valued('m', "umask", "MASK", "Set this umask, in octal, when going to the background"),
    valued('d', "directory", "FOLDER", "Change to this folder when going to the background"),
    valued('l', "logfile", "FILE", "Write supervisord's own log here"),
    valued('y', "logfile_maxbytes", "SIZE", "Rotate that log at this size, such as 50MB; 0 for never"),
    valued('z', "logfile_backups", "NUMBER", "Keep this many rotated logs"),
    valued('e', "loglevel", "LEVEL", "Log this level and above: critical, error, warn, info, debug, trace, blather"),
    valued('j', "pidfile", "FILE", "Write the process id here"),
    valued('i', "identifier", "NAME", "What clients are told this instance is called"),
    valued('q', "childlogdir", "FOLDER", "Put logs of programs that are set to AUTO here"),
    flag('k', "nocleanup", "Leave AUTO logs of earlier runs where they are"),
    valued('a', "minfds", "NUMBER", "Start only if this many files may be open"),
    Opt { long: "minprocs", short: None, value: Some("NUMBER"), help: "Start only if this many processes are allowed" },
    flag('t', "strip_ansi", "Take terminal escape sequences out of the logs of programs"),
    Opt { long: PROFILE, short: None, value: Some("LIST"), help: "Accepted and ignored: there is no Python to profile" },
    flag('v', "version", "Print the version and exit"),
    flag('h', "help", "Print this text and exit"),
];

const PROFILE: &str = "profile_options";
const POSITIONAL: &str = "argument";

/// Reads the arguments that follow the program's name. `argv0` is that name, for messages.
pub fn parse<I>(argv0: &str, args: I) -> Parsed
where
    I: IntoIterator<Item = OsString>,
{
    let mut command = command();
    let args = keep_equal_signs(args);
    let matches = match command.try_get_matches_from_mut(args) {
        Ok(matches) => matches,
        Err(e) => return Parsed::Usage(usage_text(argv0, &getopt_message(&e))),
    };
    if let Some(extra) = matches.get_many::<String>(POSITIONAL) {
        let extra: Vec<String> = extra.map(|s| format!("'{s}'")).collect();
        let message = format!("positional arguments are not supported: {}", extra.join(", "));
        return Parsed::Usage(usage_text(argv0, &message));
    }
    in_order(argv0, &mut command, &matches)
}

/// Supervisor looks at one option after the other: the first `-h`, `-v` or repetition decides.
fn in_order(argv0: &str, command: &mut Command, matches: &ArgMatches) -> Parsed {
    let mut given: Vec<(usize, &Opt, &String)> = Vec::new();
    for opt in OPTS {
        let places = matches.indices_of(opt.long).into_iter().flatten();
        let values = matches.get_many::<String>(opt.long).into_iter().flatten();
        given.extend(places.zip(values).map(|(place, value)| (place, opt, value)));
    }
    given.sort_by_key(|(place, ..)| *place);
    let mut run = Run::default();
    let mut seen: Vec<&str> = Vec::new();
    for (_, opt, value) in given {
        match opt.long {
            "help" => return Parsed::Help(command.render_help().to_string()),
            "version" => return Parsed::Version,
            name if seen.contains(&name) => {
                let message = format!("{} is given more than once", spelled(opt));
                return Parsed::Usage(usage_text(argv0, &message));
            }
            name => seen.push(name),
        }
        apply(&mut run, opt.long, value);
    }
    Parsed::Run(Box::new(run))
}

/// Notes one option. A flag's value is of no interest.
fn apply(run: &mut Run, name: &str, value: &str) {
    let o = &mut run.overrides;
    let text = || Some(value.to_owned());
    match name {
        "configuration" => o.configuration = text(),
        "check" => run.check = true,
        "differences" => run.differences = true,
        "nodaemon" => o.nodaemon = true,
        "silent" => o.silent = true,
        "user" => o.user = text(),
        "umask" => o.umask = text(),
        "directory" => o.directory = text(),
        "logfile" => o.logfile = text(),
        "logfile_maxbytes" => o.logfile_maxbytes = text(),
        "logfile_backups" => o.logfile_backups = text(),
        "loglevel" => o.loglevel = text(),
        "pidfile" => o.pidfile = text(),
        "identifier" => o.identifier = text(),
        "childlogdir" => o.childlogdir = text(),
        "nocleanup" => o.nocleanup = true,
        "minfds" => o.minfds = text(),
        "minprocs" => o.minprocs = text(),
        "strip_ansi" => o.strip_ansi = true,
        PROFILE => run.warnings.push(format!(
            "--{PROFILE} is ignored: it asks for Python's profiler, and this is not Python"
        )),
        // A test holds OPTS and this list together.
        _ => {}
    }
}

/// The command line as clap sees it. Packaging makes the man page and completions from it.
pub fn command() -> Command {
    let mut command = Command::new("supervisord")
        .about("Starts programs, keeps them running and lets supervisorctl control them.")
        .override_usage("supervisord [options]")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .infer_long_args(true)
        .after_help(
            "Long names may be shortened while they stay unique. Options given here win over the\n\
             [supervisord] section of the configuration file.",
        );
    for opt in OPTS {
        let mut arg = Arg::new(opt.long).long(opt.long).help(opt.help).action(ArgAction::Append);
        if let Some(short) = opt.short {
            arg = arg.short(short);
        }
        arg = match opt.value {
            Some(name) => arg.num_args(1).value_name(name).allow_hyphen_values(true),
            // Not a plain flag: each occurrence is wanted, with its place.
            None => arg.num_args(0).default_missing_value(""),
        };
        command = command.arg(match opt.long {
            "help" => arg.visible_short_alias('?'),
            // Unique in Supervisor, and to stay so beside our own --check and --differences.
            "childlogdir" => arg.alias("ch"),
            "directory" => arg.aliases(["d", "di"]),
            _ => arg,
        });
    }
    // Caught here so that the complaint can name what was not wanted. As in getopt, nothing after
    // it is an option any more.
    command.arg(Arg::new(POSITIONAL).num_args(0..).trailing_var_arg(true).hide(true))
}

/// clap drops the equal sign in `-e=info`, getopt takes it as part of the value: doubled, one stays.
fn keep_equal_signs<I: IntoIterator<Item = OsString>>(args: I) -> Vec<OsString> {
    let mut is_value = false;
    let mut done = false;
    let mut out = Vec::new();
    for arg in args {
        let bytes = arg.as_bytes();
        if is_value || done {
            is_value = false;
        } else if bytes == b"--" || !bytes.starts_with(b"-") {
            done = true;
        } else if let Some(name) = bytes.strip_prefix(b"--") {
            is_value = takes_next(name);
        } else if let Some(at) = bytes.iter().skip(1).position(|b| is_valued_letter(*b)) {
            let rest = bytes.get(at + 2..).unwrap_or_default();
            is_value = rest.is_empty();
            if rest.first() == Some(&b'=') {
                let mut doubled = bytes.to_vec();
                doubled.insert(at + 2, b'=');
                out.push(OsString::from_vec(doubled));
                continue;
            }
        }
        out.push(arg);
    }
    out
}

fn is_valued_letter(letter: u8) -> bool {
    OPTS.iter().any(|o| o.value.is_some() && o.short == Some(char::from(letter)))
}

/// Whether a long option, written like this, has its value in the next argument.
fn takes_next(written: &[u8]) -> bool {
    let written = OsStr::from_bytes(written).to_string_lossy();
    !written.contains('=')
        && OPTS.iter().any(|o| o.value.is_some() && o.long.starts_with(&*written))
}

/// A long and a short name, for messages.
fn spelled(opt: &Opt) -> String {
    match opt.short {
        Some(short) => format!("option -{short}/--{}", opt.long),
        None => format!("option --{}", opt.long),
    }
}

/// clap's complaint in the short form of getopt.
fn getopt_message(e: &clap::Error) -> String {
    let text = |kind| match e.get(kind) {
        Some(ContextValue::String(s)) => Some(s.as_str()),
        _ => None,
    };
    let arg = text(ContextKind::InvalidArg).unwrap_or("?");
    let name = named(arg).map_or_else(|| format!("option {arg}"), spelled);
    match e.kind() {
        ErrorKind::InvalidValue => format!("{name} requires argument"),
        ErrorKind::TooManyValues => format!("{name} must not have an argument"),
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".to_owned(),
        ErrorKind::UnknownArgument => match arg.strip_prefix("--") {
            // Without a name it is the dash among run-together letters.
            Some(long) if !long.is_empty() => unknown_long(long),
            _ => format!("option {arg} not recognized"),
        },
        _ => e.to_string().lines().next().unwrap_or("bad command line").to_owned(),
    }
}

fn unknown_long(written: &str) -> String {
    let known: Vec<String> = OPTS
        .iter()
        .filter(|o| o.long.starts_with(written))
        .map(|o| format!("--{}", o.long))
        .collect();
    if known.is_empty() {
        format!("option --{written} not recognized")
    } else {
        format!("option --{written} not a unique prefix of {}", known.join(", "))
    }
}

/// The option that clap means by a text like `--logfile <FILE>`.
fn named(by_clap: &str) -> Option<&'static Opt> {
    let long = by_clap.strip_prefix("--")?.split(' ').next()?;
    OPTS.iter().find(|o| o.long == long)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Parsed {
        parse("/sbin/supervisord", args.iter().map(OsString::from))
    }

    fn run(args: &[&str]) -> Run {
        match parsed(args) {
            Parsed::Run(run) => *run,
            other => panic!("{args:?} gave {other:?}"),
        }
    }

    fn overrides(args: &[&str]) -> Overrides {
        run(args).overrides
    }

    /// The message of the error, after checking the frame around it.
    fn error(args: &[&str]) -> String {
        match parsed(args) {
            Parsed::Usage(text) => {
                let text = text.strip_prefix("Error: ").unwrap();
                text.strip_suffix("\nFor help, use /sbin/supervisord -h\n").unwrap().to_owned()
            }
            other => panic!("{args:?} gave {other:?}"),
        }
    }

    fn text(s: &str) -> Option<String> {
        Some(s.to_owned())
    }

    #[test]
    fn clap_finds_nothing_wrong_with_the_definition() {
        command().debug_assert();
    }

    #[test]
    fn no_arguments_override_nothing() {
        assert_eq!(run(&[]), Run::default());
        assert_eq!(run(&["--"]), Run::default());
    }

    #[test]
    fn every_option_arrives_by_its_letter_and_by_its_name() {
        for opt in OPTS {
            if matches!(opt.long, "help" | "version") {
                continue;
            }
            let value = opt.value.map(|_| "7");
            let long = format!("--{}", opt.long);
            let mut args = vec![long.as_str()];
            args.extend(value);
            let by_name = run(&args);
            assert_ne!(by_name, Run::default(), "{long} has no effect");
            if let Some(letter) = opt.short {
                let short = format!("-{letter}");
                let mut args = vec![short.as_str()];
                args.extend(value);
                assert_eq!(run(&args), by_name, "{short}");
            }
        }
    }

    #[test]
    fn values_may_follow_or_be_attached() {
        let size = Overrides { logfile_maxbytes: text("50MB"), ..Default::default() };
        let spellings: &[&[&str]] = &[
            &["-y", "50MB"],
            &["-y50MB"],
            &["--logfile_maxbytes", "50MB"],
            &["--logfile_maxbytes=50MB"],
            &["--logfile_m=50MB"],
        ];
        for args in spellings {
            assert_eq!(overrides(args), size, "{args:?}");
        }
    }

    #[test]
    fn letters_may_be_run_together() {
        let both = Overrides { nodaemon: true, configuration: text("x"), ..Default::default() };
        assert_eq!(overrides(&["-nc", "x"]), both);
        assert_eq!(overrides(&["-ncx"]), both);
        let flags = overrides(&["-nskt"]);
        assert!(flags.nodaemon && flags.silent && flags.nocleanup && flags.strip_ansi);
    }

    #[test]
    fn a_value_may_look_like_an_option() {
        assert_eq!(overrides(&["-z", "-1"]).logfile_backups, text("-1"));
        assert_eq!(overrides(&["--logfile_backups=-1"]).logfile_backups, text("-1"));
        assert_eq!(overrides(&["-c", "-n"]).configuration, text("-n"));
        assert_eq!(overrides(&["-c", "--nodaemon"]).configuration, text("--nodaemon"));
        assert_eq!(overrides(&["-c", "--", "-n"]).configuration, text("--"));
        assert!(overrides(&["-c", "--", "-n"]).nodaemon);
    }

    #[test]
    fn an_equal_sign_after_a_letter_is_part_of_the_value() {
        assert_eq!(overrides(&["-e=info"]).loglevel, text("=info"));
        assert_eq!(overrides(&["-ne=info"]).loglevel, text("=info"));
        assert_eq!(overrides(&["-e="]).loglevel, text("="));
        assert_eq!(overrides(&["-c", "-e=info"]).configuration, text("-e=info"));
        assert_eq!(overrides(&["--conf", "-e=info"]).configuration, text("-e=info"));
        assert_eq!(overrides(&["--identifier=a=b"]).identifier, text("a=b"));
    }

    #[test]
    fn an_empty_value_is_a_value() {
        assert_eq!(overrides(&["--logfile="]).logfile, text(""));
        assert_eq!(overrides(&["-l", ""]).logfile, text(""));
    }

    #[test]
    fn long_names_may_be_shortened_while_unique() {
        assert_eq!(overrides(&["--conf=x"]).configuration, text("x"));
        assert!(overrides(&["--nod"]).nodaemon);
        assert_eq!(overrides(&["--minp", "5"]).minprocs, text("5"));
        // An exact name wins over longer ones that start with it.
        assert_eq!(overrides(&["--logfile", "x"]).logfile, text("x"));
        for (args, of) in
            [("--log", "--logfile_maxbytes"), ("--n", "--nocleanup"), ("--min", "--minfds")]
        {
            let message = error(&[args]);
            assert!(
                message.starts_with(&format!("option {args} not a unique prefix")),
                "{message}"
            );
            assert!(message.contains(of), "{message}");
        }
        assert!(error(&["--log=x"]).starts_with("option --log not a unique prefix"));
    }

    #[test]
    fn our_own_option_takes_no_abbreviation_from_theirs() {
        assert_eq!(overrides(&["--ch=/x"]).childlogdir, text("/x"));
        assert_eq!(overrides(&["--chi=/x"]).childlogdir, text("/x"));
        assert!(run(&["--check"]).check);
        assert!(run(&["--che", "-c", "x"]).check);
        assert!(run(&["--diff"]).differences);
        assert_eq!(overrides(&["--d", "/"]).directory, text("/"));
        assert_eq!(overrides(&["--di=/"]).directory, text("/"));
    }

    #[test]
    fn an_option_given_twice_is_refused() {
        let cases: &[&[&str]] = &[
            &["-n", "-n"],
            &["-nn"],
            &["-n", "--nodaemon"],
            &["-e", "info", "-e", "warn"],
            &["-c", "a", "--conf", "b"],
            &["--prof=calls", "--profile_options=calls"],
        ];
        for args in cases {
            assert!(error(args).contains("more than once"), "{args:?}");
        }
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_getopt() {
        let cases: &[(&[&str], &str)] = &[
            (&["-Z"], "option -Z not recognized"),
            (&["-nZ"], "option -Z not recognized"),
            (&["-5"], "option -5 not recognized"),
            (&["-n5"], "option -5 not recognized"),
            (&["-n=5"], "option -= not recognized"),
            (&["-n-"], "option -- not recognized"),
            (&["--=x"], "option -- not recognized"),
            (&["--nope"], "option --nope not recognized"),
            (&["--nope=x"], "option --nope not recognized"),
            (&["-c"], "option -c/--configuration requires argument"),
            (&["-nc"], "option -c/--configuration requires argument"),
            (&["--conf"], "option -c/--configuration requires argument"),
            (&["--minprocs"], "option --minprocs requires argument"),
            (&["--nodaemon=1"], "option -n/--nodaemon must not have an argument"),
            (&["--nod="], "option -n/--nodaemon must not have an argument"),
            (&["--help=1"], "option -h/--help must not have an argument"),
            (&["foo"], "positional arguments are not supported: 'foo'"),
            (&[""], "positional arguments are not supported: ''"),
            (&["-"], "positional arguments are not supported: '-'"),
            (&["--", "-n"], "positional arguments are not supported: '-n'"),
            (&["-n", "foo", "-Z"], "positional arguments are not supported: 'foo', '-Z'"),
        ];
        for (args, message) in cases {
            assert_eq!(error(args), *message, "{args:?}");
        }
    }

    #[test]
    fn an_argument_that_is_no_text_is_refused() {
        for args in [
            vec!["-c".into(), OsString::from_vec(vec![b'x', 0xff])],
            vec![OsString::from_vec(vec![0xff])],
        ] {
            assert!(matches!(parse("s", args), Parsed::Usage(_)));
        }
    }

    #[test]
    fn help_and_version_wait_for_mistakes_elsewhere_on_the_line() {
        for args in
            [&["-h"][..], &["-?"], &["--help"], &["--h"], &["-h", "-v"], &["-h", "-n", "-n"]]
        {
            assert!(matches!(parsed(args), Parsed::Help(_)), "{args:?}");
        }
        for args in [&["-v"][..], &["--version"], &["-v", "-h"], &["-v", "-v"], &["-nv"]] {
            assert_eq!(parsed(args), Parsed::Version, "{args:?}");
        }
        for args in [&["-h", "foo"][..], &["-h", "-Z"], &["-n", "-n", "-h"], &["-v", "--nope"]] {
            assert!(matches!(parsed(args), Parsed::Usage(_)), "{args:?}");
        }
    }

    #[test]
    fn help_names_every_option() {
        let Parsed::Help(help) = parsed(&["-h"]) else { panic!("no help") };
        for opt in OPTS {
            assert!(help.contains(&format!("--{}", opt.long)), "{}", opt.long);
            assert!(help.contains(opt.help), "{}", opt.long);
        }
        assert!(help.contains("Usage: supervisord [options]"));
    }

    #[test]
    fn profiling_is_ignored_with_a_warning() {
        let run = run(&["--profile_options=calls"]);
        assert_eq!(run.overrides, Overrides::default());
        assert!(run.warnings.iter().any(|w| w.contains("--profile_options")));
    }

    #[test]
    fn the_version_is_a_line_of_its_own() {
        assert_eq!(version_text(), format!("{}\n", env!("CARGO_PKG_VERSION")));
    }
}

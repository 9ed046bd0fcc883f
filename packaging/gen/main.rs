//! Makes the manual pages and completions: `cargo run --example gen-docs`, from the checkout. What
//! they say comes from the command lines (clap), the table of supervisorctl's actions and the table
//! of options; the prose around it from the `.in` files beside this one. CI runs it and fails when
//! something changes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, Command, ValueHint};
use clap_complete::Shell;
use supervisord::config::load::search_path;
use supervisord::config::options::{Fallback, OptionRow, Section};
use supervisord::ctl::commands::{OURS, TABLE, names};

const SIGNALS: &str = "HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH TTIN TTOU";
/// What stands behind the name in the lines of `status`.
const STATES: &str = "STOPPED|STARTING|RUNNING|BACKOFF|STOPPING|EXITED|FATAL|UNKNOWN";

fn main() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let daemon = supervisord::cli::command();
    let ctl = supervisord::ctl::options::command();
    let (man, completions) = (packaging.join("man"), packaging.join("completions"));
    let page = |name: &str, text: &str, parts: &[(&str, String)]| {
        let mut text = text.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
        for (mark, part) in parts {
            text = text.replace(&format!("@{mark}@"), part.trim_end());
        }
        assert!(!text.contains('@'), "{name}: a mark is left");
        std::fs::write(man.join(name), text).unwrap();
    };
    page(
        "supervisord.8",
        include_str!("supervisord.8.in"),
        &[("OPTIONS", man_options(&daemon)), ("SEARCH", searched())],
    );
    page(
        "supervisorctl.1",
        include_str!("supervisorctl.1.in"),
        &[("OPTIONS", man_options(&ctl)), ("ACTIONS", man_actions())],
    );
    page(
        "supervisord.conf.5",
        include_str!("supervisord.conf.5.in"),
        &[("SECTIONS", Section::ALL.into_iter().map(man_section).collect())],
    );
    page("pidproxy.1", include_str!("pidproxy.1.in"), &[]);
    page("echo_supervisord_conf.1", include_str!("echo_supervisord_conf.1.in"), &[]);

    let shells = [
        (Shell::Bash, "bash", include_str!("supervisorctl.bash.in"), ctl_bash(&ctl)),
        (Shell::Zsh, "zsh", include_str!("supervisorctl.zsh.in"), ctl_zsh(&ctl)),
        (Shell::Fish, "fish", include_str!("supervisorctl.fish.in"), ctl_fish(&ctl)),
    ];
    for (shell, suffix, text, options) in shells {
        let mut made = Vec::new();
        let mut command = with_hints(daemon.clone().no_binary_name(false));
        clap_complete::generate(shell, &mut command, "supervisord", &mut made);
        std::fs::write(completions.join(format!("supervisord.{suffix}")), made).unwrap();
        let text = text
            .replace("@OPTIONS@", options.trim_end())
            .replace("@ACTIONS@", &names().join(" "))
            .replace("@SIGNALS@", SIGNALS)
            .replace("@STATES@", STATES);
        std::fs::write(completions.join(format!("supervisorctl.{suffix}")), text).unwrap();
    }
}

/// Options that name files complete to files.
fn with_hints(command: Command) -> Command {
    command.mut_args(|arg| {
        match arg.get_value_names().and_then(|n| n.first()).map(|n| n.as_str()) {
            Some("FILE") => arg.value_hint(ValueHint::FilePath),
            Some("FOLDER") => arg.value_hint(ValueHint::DirPath),
            Some("USER") => arg.value_hint(ValueHint::Username),
            Some(_) => arg.value_hint(ValueHint::Other),
            None => arg,
        }
    })
}

/// The options of a command line, by clap_mangen, without its heading.
fn man_options(command: &Command) -> String {
    let mut made = Vec::new();
    let command = command.clone().mut_args(|a| if a.is_positional() { a.hide(true) } else { a });
    clap_mangen::Man::new(command).render_options_section(&mut made).unwrap();
    let text = String::from_utf8(made).unwrap();
    let from = text.find(".TP").unwrap();
    // A string that only clap_mangen's own preamble defines.
    text[from..].replace("\\*(Aq", "\\(aq")
}

/// The places searched, as a program in /usr/bin sees them.
fn searched() -> String {
    let env = supervisord::config::env::Env {
        program: "/usr/bin/supervisord".into(),
        cwd: "/".into(),
        ..Default::default()
    };
    let mut text = String::new();
    for place in search_path(&env) {
        let shown = place.strip_prefix("/usr/").map_or(place.clone(), |p| format!("../{p}"));
        writeln!(text, "{}", roff(&shown)).unwrap();
    }
    text
}

fn man_actions() -> String {
    let mut text = String::new();
    let mut all: Vec<_> =
        TABLE.iter().map(|c| (c, true)).chain(OURS.iter().map(|c| (c, false))).collect();
    all.sort_by_key(|(command, _)| command.name);
    for (command, in_reference) in all {
        writeln!(text, ".SS {}", command.name).unwrap();
        writeln!(text, ".nf").unwrap();
        for line in command.help.trim_end().lines() {
            let (form, about) = line.split_once('\t').unwrap_or((line, ""));
            let line = format!("{:<36}{}", form.trim_end(), about.trim_start_matches('\t'));
            writeln!(text, "{}", roff(line.trim_end())).unwrap();
        }
        writeln!(text, ".fi").unwrap();
        if !in_reference {
            writeln!(text, "Not in Python Supervisor; since 5.0.0.").unwrap();
        }
    }
    text
}

fn man_section(section: Section) -> String {
    let mut text = String::new();
    let name = match section.prefix() {
        prefix if prefix.ends_with(':') => format!("[{prefix}NAME]"),
        prefix => format!("[{prefix}]"),
    };
    writeln!(text, ".SS {name}").unwrap();
    writeln!(text, "{}", roff(about(section))).unwrap();
    for row in section.options() {
        text.push_str(&man_row(row));
    }
    text
}

fn about(section: Section) -> &'static str {
    match section {
        Section::UnixHttpServer => "A control server on a Unix socket.",
        Section::InetHttpServer => {
            "A control server on TCP, with web pages. Whoever can connect can run programs as any user \
             that supervisord may become: give it a password, and keep it off networks."
        }
        Section::Supervisord => "The daemon itself. This section must be there, and may be empty.",
        Section::RpcInterface => {
            "An XML-RPC namespace. Without one called supervisor, supervisorctl does not work. Besides it \
             there is that of supervisor_twiddler \
             (supervisor_twiddler.rpcinterface:make_twiddler_rpcinterface); whitelist= lists the \
             calls that are open, all without it."
        }
        Section::Supervisorctl => "Read by supervisorctl only.",
        Section::Program => "A program, and what is to be done when it ends.",
        Section::FcgiProgram => {
            "A FastCGI program: its processes share one listening socket, as their stdin."
        }
        Section::EventListener => {
            "A program that is told of events, and answers, over its stdin and stdout."
        }
        Section::Group => "Programs that are started, stopped and named together.",
        Section::Include => "Further files. An [include] in one of them is not followed.",
    }
}

fn man_row(row: &OptionRow) -> String {
    let mut text = String::new();
    writeln!(text, ".TP\n\\fB{}=\\fR \\fI{}\\fR", roff(row.name), roff(row.kind)).unwrap();
    let mut sentence = row.about.to_owned();
    if let Some(first) = sentence.get(..1) {
        sentence.replace_range(..1, &first.to_uppercase());
    }
    writeln!(text, "{}.", roff(&sentence)).unwrap();
    match row.default {
        Fallback::Value(value) => {
            writeln!(text, ".br\nDefault: \\fB{}\\fR", roff(value)).unwrap();
        }
        Fallback::Words(words) => writeln!(text, ".br\nWithout it: {}.", roff(words)).unwrap(),
        Fallback::Required => writeln!(text, ".br\nMust be given.").unwrap(),
    }
    if !row.in_reference {
        writeln!(text, ".br\nNot in Python Supervisor; since 5.0.0.").unwrap();
    }
    text
}

/// Escapes what roff takes for its own.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    match escaped.starts_with(['.', '\'']) {
        true => format!("\\&{escaped}"),
        false => escaped,
    }
}

fn options(ctl: &Command) -> impl Iterator<Item = &Arg> {
    ctl.get_arguments().filter(|a| !a.is_positional())
}

fn ctl_bash(ctl: &Command) -> String {
    let spelled = options(ctl).flat_map(|a| {
        [format!("-{}", a.get_short().unwrap()), format!("--{}", a.get_long().unwrap())]
    });
    spelled.collect::<Vec<_>>().join(" ")
}

/// What an option's value completes to: file or nothing.
fn is_file(arg: &Arg) -> bool {
    arg.get_value_names().is_some_and(|n| n.iter().any(|n| n.as_str() == "FILE"))
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn ctl_zsh(ctl: &Command) -> String {
    let mut text = String::new();
    for arg in options(ctl) {
        let (short, long) = (arg.get_short().unwrap(), arg.get_long().unwrap());
        let help = arg.get_help().unwrap().to_string().replace('[', "(").replace(']', ")");
        let value = match (takes_value(arg), is_file(arg)) {
            (false, _) => "",
            (true, true) => ":file:_files",
            (true, false) => ":value:",
        };
        let help = help.replace(':', "\\:").replace('\'', "'\\''");
        writeln!(text, "        '(-{short} --{long})'{{-{short},--{long}}}'[{help}]{value}' \\")
            .unwrap();
    }
    text
}

fn ctl_fish(ctl: &Command) -> String {
    let mut text = String::new();
    for arg in options(ctl) {
        let (short, long) = (arg.get_short().unwrap(), arg.get_long().unwrap());
        let help = arg.get_help().unwrap().to_string().replace('"', "'").replace('$', "");
        let value = match (takes_value(arg), is_file(arg)) {
            (false, _) => "",
            (true, true) => " -rF",
            (true, false) => " -x",
        };
        writeln!(text, "complete -c supervisorctl -s {short} -l {long}{value} -d \"{help}\"")
            .unwrap();
    }
    text
}

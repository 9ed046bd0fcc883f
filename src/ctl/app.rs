//! The program: options, configuration, then one action or the shell. Thread: main.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::conf::{CtlConfig, load_ctl};
use super::dispatch::run_line;
use super::input::Input;
use super::options::{self, Options, Parsed};
use super::output::Output;
use super::session::Ctl;
use super::target::{Origin, Target};
use super::transport::Client;
use super::{exit, shell, tty};

/// Where the daemon is when nothing says so.
const DEFAULT_URL: &str = "http://localhost:9001";
/// The prompt when nothing says so.
const DEFAULT_PROMPT: &str = "supervisor";

/// Runs supervisorctl. `args` starts with the program's name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let program = program(&args);
    let usage = |text: String| {
        let _ = writeln!(io::stderr(), "Error: {text}\nFor help, use {program} -h");
        ExitCode::from(exit::INVALID_ARGS)
    };
    let options = match options::parse(args) {
        Parsed::Run(options) => options,
        Parsed::Help(text) => {
            let _ = io::stdout().write_all(text.as_bytes());
            return ExitCode::from(exit::SUCCESS);
        }
        Parsed::Wrong(text) => return usage(text),
    };
    let file = options.configuration.clone().or_else(|| find_file(Path::new(&program)));
    let config = match file.as_deref().map(load_ctl).transpose() {
        Ok(config) => config.unwrap_or_default(),
        Err(error) => return usage(error),
    };
    start(options, config, file)
}

fn start(options: Options, config: CtlConfig, file: Option<PathBuf>) -> ExitCode {
    let one = !options.words.is_empty();
    let hints = tty::is_watched();
    let mut out = Output::std(options.quiet, tty::wants_colour(), hints);
    for name in &config.plugins {
        out.complain(&format!(
            "warning: [ctlplugin:{name}] is ignored: plug-ins written in Python cannot be loaded here"
        ));
    }
    let history = options.history_file.map(PathBuf::from).or(config.history_file);
    let prompt = config.prompt.unwrap_or_else(|| DEFAULT_PROMPT.to_owned());
    let (url, origin) = match (options.serverurl, config.serverurl, file) {
        (Some(url), ..) => (url, Origin::Option),
        (None, Some(url), Some(file)) => (url, Origin::File(file)),
        (None, _, Some(file)) => (DEFAULT_URL.to_owned(), Origin::File(file)),
        (None, _, None) => (DEFAULT_URL.to_owned(), Origin::Default),
    };
    let target = Target {
        url,
        origin,
        username: options.username.or(config.username),
        password: options.password.or(config.password),
    };
    let interactive = options.interactive || !one;
    let rpc = Box::new(Client::default());
    let mut ctl = Ctl::new(target, interactive, out, Input::stdin(), rpc);
    if one {
        run_line(&mut ctl, &options.words.join(" "));
        return ExitCode::from(ctl.exit);
    }
    shell::run(&mut ctl, &prompt, history);
    ExitCode::from(exit::SUCCESS)
}

/// The program's name for messages and for finding files beside it: with its folder, as Python has it
/// when the shell found it in `PATH`.
fn program(args: &[OsString]) -> String {
    let typed = args.first().map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default();
    if typed.contains('/') {
        return typed;
    }
    env::current_exe().map_or(typed, |path| path.to_string_lossy().into_owned())
}

/// The first configuration file that exists among the usual ones.
fn find_file(program: &Path) -> Option<PathBuf> {
    let above = program.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    let places = [
        above.join("etc/supervisord.conf"),
        above.join("supervisord.conf"),
        PathBuf::from("supervisord.conf"),
        PathBuf::from("etc/supervisord.conf"),
        PathBuf::from("/etc/supervisord.conf"),
        PathBuf::from("/etc/supervisor/supervisord.conf"),
    ];
    places.into_iter().find(|path| path.exists())
}

//! The program: options, configuration, then one action or the shell. Thread: main.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::dispatch::run_line;
use super::input::Input;
use super::options::{self, Options, Parsed};
use super::output::Output;
use super::session::Ctl;
use super::target::{Origin, Target};
use super::transport::Client;
use super::{exit, shell, tty};
use crate::config::ctl::{CtlConfig, exit_code, load_ctl};
use crate::config::env::Env;
use crate::sys::cmdline;

/// Runs supervisorctl. `args` starts with the program's name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let options = match options::parse(args) {
        Parsed::Run(options) => options,
        Parsed::Help(text) => {
            let _ = io::stdout().write_all(text.as_bytes());
            return ExitCode::from(exit::SUCCESS);
        }
        Parsed::Wrong(text) => return usage(&text, exit::INVALID_ARGS),
    };
    if let Some(password) = &options.password {
        // where the system does not let us, it is as with any other program
        let _ = cmdline::hide(password);
    }
    match load_ctl(options.configuration.as_deref()) {
        Ok(config) => start(options, config),
        Err(error) => {
            let code = u8::try_from(exit_code(&error)).unwrap_or(exit::INVALID_ARGS);
            usage(&error.to_string(), code)
        }
    }
}

/// Says on stderr why nothing was done. The second line is the reference's.
fn usage(why: &str, code: u8) -> ExitCode {
    let program = Env::current().program;
    let _ = writeln!(io::stderr(), "Error: {why}\nFor help, use {program} -h");
    ExitCode::from(code)
}

fn start(options: Options, config: CtlConfig) -> ExitCode {
    let mut out = Output::std(options.quiet, tty::wants_colour(), tty::is_watched());
    for plugin in &config.plugins {
        out.complain(&format!(
            "warning: [ctlplugin:{plugin}] is left out: commands written in Python cannot be loaded"
        ));
    }
    let origin = match (&options.serverurl, config.file) {
        (Some(_), _) => Origin::Option,
        (None, Some(file)) => Origin::File(file),
        (None, None) => Origin::Default,
    };
    let target = Target {
        url: options.serverurl.unwrap_or(config.serverurl),
        origin,
        username: options.username.or(config.username),
        password: options.password.or(config.password),
    };
    let one = !options.words.is_empty();
    let rpc = Box::new(Client::default());
    let mut ctl = Ctl::new(target, options.interactive || !one, out, Input::stdin(), rpc);
    if one {
        run_line(&mut ctl, &options.words.join(" "));
        if let Some(error) = ctl.out.take_lost() {
            // A list cut short must not look like a whole one to a script.
            ctl.out.complain(&format!("error: cannot write to stdout: {error}"));
            return ExitCode::from(exit::GENERIC.max(ctl.exit));
        }
        return ExitCode::from(ctl.exit);
    }
    let history = options.history_file.map(PathBuf::from).or(config.history_file);
    shell::run(&mut ctl, &config.prompt, history);
    ExitCode::from(exit::SUCCESS)
}

//! Runs a command and passes signals on to the process named in a pid file: see
//! [`supervisord::pidproxy`].

use std::process::ExitCode;

fn main() -> ExitCode {
    supervisord::pidproxy::run(std::env::args_os()).into()
}

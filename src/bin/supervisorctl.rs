//! supervisorctl: see `supervisord::ctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    supervisord::ctl::app::run(std::env::args_os().collect())
}

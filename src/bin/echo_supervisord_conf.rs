//! Prints a sample configuration. Takes no notice of arguments, as in Supervisor.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let text = supervisord::config::sample::text();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: the sample could not be written: {e}");
            ExitCode::FAILURE
        }
    }
}

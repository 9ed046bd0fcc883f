//! supervisord: the daemon.

fn main() {
    let args = std::env::args_os().collect();
    std::process::exit(supervisord::boot::main(args));
}

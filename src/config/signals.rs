//! Signals by number and name, as far as the reference knows them.
//!
//! Pure; any thread. The reference takes every name of Python's signal module that begins with
//! `SIG`, which lets some oddities in: 0, `SIG_DFL`, and of the real-time signals only the ends.

use super::pytext::{int, strip};

/// Names by number; of several names of one number, the shown one first.
const NAMES: &[(i32, &str)] = &[
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (6, "SIGIOT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (16, "SIGSTKFLT"),
    (17, "SIGCHLD"),
    (17, "SIGCLD"),
    (18, "SIGCONT"),
    (19, "SIGSTOP"),
    (20, "SIGTSTP"),
    (21, "SIGTTIN"),
    (22, "SIGTTOU"),
    (23, "SIGURG"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (26, "SIGVTALRM"),
    (27, "SIGPROF"),
    (28, "SIGWINCH"),
    (29, "SIGPOLL"),
    (29, "SIGIO"),
    (30, "SIGPWR"),
    (31, "SIGSYS"),
    (34, "SIGRTMIN"),
    (64, "SIGRTMAX"),
];

/// Names that are no signals, but numbers to the reference.
const ODD: &[(i32, &str)] =
    &[(0, "SIG_DFL"), (1, "SIG_IGN"), (0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK")];

/// The number of a signal given by number or by name, in any case, with or without `SIG`.
pub fn signal_number(text: &str) -> Option<i32> {
    let known = || ODD.iter().chain(NAMES);
    if let Some(n) = int(text, 10) {
        let n = i32::try_from(n).ok()?;
        return known().any(|(k, _)| *k == n).then_some(n);
    }
    let upper = strip(text).to_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    known().find(|(_, k)| *k == name).map(|(n, _)| *n)
}

/// The name of a signal, such as `SIGTERM`; `signal 35` where it has none.
pub fn signal_name(number: i32) -> String {
    match NAMES.iter().find(|(n, _)| *n == number) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_those_of_the_reference() {
        for (text, number) in [
            ("TERM", Some(15)),
            ("SIGUSR2", Some(12)),
            ("kill", Some(9)),
            (" sigint ", Some(2)),
            ("3", Some(3)),
            ("+3", Some(3)),
            ("0", Some(0)),
            ("SIG_DFL", Some(0)),
            ("_dfl", Some(0)),
            ("CLD", Some(17)),
            ("IOT", Some(6)),
            ("RTMIN", Some(34)),
            ("64", Some(64)),
            ("35", None),
            ("32", None),
            ("RTMIN+1", None),
            ("NOPE", None),
            ("SIG", None),
            ("", None),
            ("99", None),
            ("-1", None),
            ("1.0", None),
        ] {
            assert_eq!(signal_number(text), number, "{text:?}");
        }
    }

    #[test]
    fn every_known_number_is_taken_back_from_its_name() {
        for n in 1..=70 {
            let name = signal_name(n);
            let back = if name.starts_with("SIG") { Some(n) } else { None };
            assert_eq!(signal_number(&name), back);
        }
        assert_eq!(signal_name(6), "SIGABRT");
        assert_eq!(signal_name(29), "SIGPOLL");
        assert_eq!(signal_name(35), "signal 35");
        assert_eq!(signal_name(0), "signal 0");
    }
}

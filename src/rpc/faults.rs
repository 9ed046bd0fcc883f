//! The fault table of the reference: code and name. `faultString` is the name, or `NAME: detail`.

use super::value::Fault;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: (i32, &str) = ($code, stringify!($name));)*
        /// All faults by code, for reports.
        pub const ALL: &[(i32, &str)] = &[$($name),*];
    };
}

faults! {
    /// No such method.
    UNKNOWN_METHOD = 1;
    /// Wrong number or type of parameters.
    INCORRECT_PARAMETERS = 2;
    /// A value out of its range.
    BAD_ARGUMENTS = 3;
    /// Signature asked of a method without one.
    SIGNATURE_UNSUPPORTED = 4;
    /// supervisord is shutting down.
    SHUTDOWN_STATE = 6;
    /// No such process or group.
    BAD_NAME = 10;
    /// Not a signal.
    BAD_SIGNAL = 11;
    /// The program's file is not there, or a log has no file.
    NO_FILE = 20;
    /// The program's file cannot be executed.
    NOT_EXECUTABLE = 21;
    /// It did not work.
    FAILED = 30;
    /// The process ended while its start was waited for.
    ABNORMAL_TERMINATION = 40;
    /// The process could not be started.
    SPAWN_ERROR = 50;
    /// The process runs already.
    ALREADY_STARTED = 60;
    /// The process does not run.
    NOT_RUNNING = 70;
    /// It worked (as a status in lists of results).
    SUCCESS = 80;
    /// The group exists already.
    ALREADY_ADDED = 90;
    /// The group has running processes.
    STILL_RUNNING = 91;
    /// The configuration has errors.
    CANT_REREAD = 92;
    /// twiddler's: its `whitelist=` leaves the method out.
    NOT_IN_WHITELIST = 230;
}

/// A fault of the table, with the detail after its name when there is one.
pub fn fault(kind: (i32, &str), detail: Option<&str>) -> Fault {
    Fault {
        code: kind.0,
        text: match detail {
            Some(d) => format!("{}: {}", kind.1, d),
            None => kind.1.to_owned(),
        },
    }
}

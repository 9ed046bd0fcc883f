//! Exit codes of supervisorctl and how results change them. Pure.
//!
//! They follow the LSB codes for init scripts as the reference uses them: `status` has its own meaning
//! for 3 and 4.

use crate::rpc::faults;

/// All went well, or nothing was to be done.
pub const SUCCESS: u8 = 0;
/// Something failed.
pub const GENERIC: u8 = 1;
/// Wrong arguments, as far as `start` says so.
pub const INVALID_ARGS: u8 = 2;
/// The daemon has no supervisor namespace.
pub const UNIMPLEMENTED: u8 = 3;
/// Connection refused.
pub const REFUSED: u8 = 4;
/// The daemon speaks another API version.
pub const NOT_INSTALLED: u8 = 5;
/// A process does not run, or the daemon's socket is missing.
pub const NOT_RUNNING: u8 = 7;
/// `status`: at least one process is stopped, exited or fatal.
pub const STATUS_STOPPED: u8 = 3;
/// `status`: unknown name, or no daemon.
pub const STATUS_UNKNOWN: u8 = 4;
/// Ended by Ctrl-C, as shells count it.
pub const INTERRUPTED: u8 = 130;

/// The exit code after a result with `code`, a fault code or SUCCESS. `ignored` is the fault which
/// the command takes for success (already started, not running). Success never resets an error.
pub fn after_result(current: u8, code: i64, ignored: Option<i32>) -> u8 {
    let is = |fault: (i32, &str)| code == i64::from(fault.0);
    if is(faults::SUCCESS) || ignored.is_some_and(|i| code == i64::from(i)) {
        current
    } else if is(faults::SPAWN_ERROR) || is(faults::ABNORMAL_TERMINATION) || is(faults::NOT_RUNNING)
    {
        NOT_RUNNING
    } else {
        GENERIC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_and_the_ignored_fault_keep_the_code() {
        assert_eq!(after_result(0, 80, None), 0);
        assert_eq!(after_result(7, 80, None), 7);
        assert_eq!(after_result(0, 60, Some(60)), 0);
    }

    #[test]
    fn dead_programs_give_7_and_others_1() {
        for code in [40, 50, 70] {
            assert_eq!(after_result(0, code, Some(60)), NOT_RUNNING);
        }
        for code in [10, 20, 21, 30, 60] {
            assert_eq!(after_result(0, code, None), GENERIC);
        }
    }

    #[test]
    fn the_last_error_wins() {
        assert_eq!(after_result(NOT_RUNNING, 10, None), GENERIC);
    }
}

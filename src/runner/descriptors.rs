//! How many descriptors programs need, told before they run out. Pure.

use crate::config::model::{Config, Group, GroupKind, Level, LogTarget, Output, Program};

/// What supervisord needs for itself: its log, sockets and wake-ups, the pipes of a child that is being
/// made, some clients, and the logs that are written to at the time.
const OWN: u64 = 80;

/// What one process costs while it lives: a pidfd, its stdin, and a pipe for each stream that somebody
/// can read. A log is only open while it is written to.
fn of_process(group: &Group, program: &Program, debugging: bool) -> u64 {
    let listener = matches!(group.kind, GroupKind::Listeners(_));
    let stream = |output: &Output, listener: bool| {
        let read = output.target != LogTarget::None
            || output.syslog
            || output.events_enabled
            || output.capture_maxbytes > 0
            || listener
            || debugging;
        u64::from(read)
    };
    let stdin = u64::from(!matches!(group.kind, GroupKind::FastCgi(_)));
    let stderr = if program.redirect_stderr { 0 } else { stream(&program.stderr, false) };
    1 + stdin + stream(&program.stdout, listener) + stderr
}

/// What a configuration needs when all of its programs run.
pub fn needed(config: &Config) -> u64 {
    let debugging = config.daemon.loglevel <= Level::Debug;
    let members = |group: &Group| -> u64 {
        group.programs.iter().map(|program| of_process(group, program, debugging)).sum()
    };
    OWN + config.groups.iter().map(|group| members(group)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::testing;
    use std::sync::Arc;

    #[test]
    fn a_process_costs_what_can_be_read_of_it() {
        let file = LogTarget::File("/l".into());
        let cost = |change: &dyn Fn(&mut Program), debugging| {
            let mut program = testing::program("p");
            program.stdout.target = LogTarget::None;
            program.stderr.target = LogTarget::None;
            change(&mut program);
            let group = testing::group("g", vec![Arc::new(program.clone())]);
            of_process(&group, &program, debugging)
        };
        assert_eq!(cost(&|_| {}, false), 2);
        assert_eq!(cost(&|_| {}, true), 4);
        assert_eq!(cost(&|p| p.stdout.syslog = true, false), 3);
        assert_eq!(cost(&|p| p.stderr.capture_maxbytes = 10, false), 3);
        let both = |p: &mut Program| {
            (p.stdout.target, p.stderr.target) = (file.clone(), LogTarget::Auto);
        };
        assert_eq!(cost(&both, false), 4);
        let merged = |p: &mut Program| {
            both(p);
            p.redirect_stderr = true;
        };
        assert_eq!(cost(&merged, false), 3);
    }
}

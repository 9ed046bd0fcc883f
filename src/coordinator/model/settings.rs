//! Random configurations.

use std::sync::Arc;

use super::chance::Chance;
use crate::config::model::{
    Autorestart, Config, DEFAULT_RESULT_HANDLER, Group, GroupKind, ListenerPool, Program,
};
use crate::rpc::testing;

/// The longest `stopwaitsecs` that comes up.
pub const LONGEST_STOP: u64 = 10;
/// Groups that a configuration has at most.
pub const MOST_GROUPS: u64 = 5;

const EVENTS: [&[&str]; 4] = [
    &["EVENT"],
    &["PROCESS_STATE"],
    &["PROCESS_LOG", "PROCESS_COMMUNICATION", "REMOTE_COMMUNICATION"],
    &["TICK_5", "SUPERVISOR_STATE_CHANGE", "PROCESS_GROUP"],
];

/// A configuration with groups of programs and of listeners. Names repeat from one to the next, so
/// that groups are known, changed, added and removed.
pub fn config(chance: &mut Chance) -> Config {
    let mut groups: Vec<Group> = Vec::new();
    for n in 0..MOST_GROUPS {
        if !chance.once_in(4) {
            groups.push(group(chance, n));
        }
    }
    groups.sort_by_key(|g| g.priority);
    testing::config(groups)
}

fn group(chance: &mut Chance, n: u64) -> Group {
    let listeners = n >= 3;
    let programs = (0..=chance.below(3)).map(|i| Arc::new(program(chance, &format!("p{n}{i}"))));
    let programs = programs.collect();
    let kind = match listeners {
        true => GroupKind::Listeners(ListenerPool {
            buffer_size: chance.of(&[1, 2, 10]),
            events: chance.of(&EVENTS).iter().map(|e| (*e).to_owned()).collect(),
            result_handler: DEFAULT_RESULT_HANDLER.to_owned(),
            len_in_bytes: chance.once_in(2),
        }),
        false => GroupKind::Programs,
    };
    Group { name: format!("g{n}"), priority: chance.of(&[-1, 1, 999]), kind, programs }
}

/// A random program of that name.
pub fn program(chance: &mut Chance, name: &str) -> Program {
    Program {
        priority: chance.of(&[1, 2, 999]),
        autostart: !chance.once_in(4),
        autorestart: chance.of(&[Autorestart::Never, Autorestart::Unexpected, Autorestart::Always]),
        startsecs: if chance.once_in(40) { 3600 } else { chance.of(&[0, 1, 1, 5, 20]) },
        startretries: chance.of(&[0, 1, 3]),
        stopsignal: chance.of(&[libc::SIGTERM, libc::SIGKILL, libc::SIGUSR1]),
        stopwaitsecs: chance.of(&[0, 1, 3, LONGEST_STOP as i64]),
        stopasgroup: chance.once_in(4),
        killasgroup: chance.once_in(4),
        exitcodes: chance.of(&[vec![0], vec![0, 2], vec![]]),
        ..testing::program(name)
    }
}

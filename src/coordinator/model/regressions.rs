//! What random events found, each as short as it can be told.

use std::sync::Arc;

use super::chance::Chance;
use super::deed::{Ask, Deed};
use super::episode::Episode;
use crate::config::model::{Autorestart, Group};
use crate::rpc::testing;

/// Carries deeds out on a daemon with these groups, and sees all promises kept.
fn happens(groups: Vec<Group>, deeds: &[Deed]) {
    let done = Episode::run_with(testing::config(groups), Chance::new(1), deeds);
    assert!(done.is_ok(), "{done:?}");
}

#[test]
fn a_restart_asked_for_right_before_the_end_is_answered() {
    let restart = Deed::Ask(Ask::Restart, 0, true);
    happens(vec![], &[restart, Deed::Turn, Deed::Signal(libc::SIGTERM), Deed::Turn]);
}

#[test]
fn a_restart_for_which_there_is_no_thread_is_answered() {
    happens(vec![], &[Deed::Threads(false), Deed::Ask(Ask::Restart, 0, true), Deed::Settle(60)]);
}

#[test]
fn a_call_that_comes_with_the_last_turn_is_answered() {
    let mut deeds = vec![Deed::Signal(libc::SIGTERM)];
    // More than one turn takes.
    deeds.extend([Deed::Ask(Ask::Remote, 0, true); 300]);
    deeds.push(Deed::Turn);
    happens(vec![], &deeds);
}

#[test]
fn a_process_that_leaves_while_its_restart_is_due_takes_the_deadline_with_it() {
    let mut program = testing::program("x");
    (program.autorestart, program.startsecs) = (Autorestart::Always, 0);
    let lives = [Deed::Settle(0), Deed::Exit(0, 0)].repeat(3);
    let deeds = [&lives[..], &[Deed::Settle(0), Deed::Ask(Ask::RemoveGroup, 0, true), Deed::Turn]];
    happens(vec![testing::group("x", vec![Arc::new(program)])], &deeds.concat());
}

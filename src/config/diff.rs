//! What a new configuration changes: names of groups added, changed and removed.
//!
//! Pure; any thread. The rules of equality are the reference's, with their gaps: see
//! [`same_target`] and [`same_kind`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::model::{Group, GroupKind, LogTarget, Output, Program, Setup};

/// Names of groups: added, changed, removed. Each list is in the order of the configuration it is
/// taken from.
pub type Changes = (Vec<String>, Vec<String>, Vec<String>);

/// Compares the groups that run with those of a new configuration.
pub fn diff(active: &[Arc<Group>], new: &[Arc<Group>]) -> Changes {
    let running: HashMap<&str, &Group> =
        active.iter().map(|g| (g.name.as_str(), g.as_ref())).collect();
    let wanted: HashSet<&str> = new.iter().map(|g| g.name.as_str()).collect();
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    for group in new {
        match running.get(group.name.as_str()) {
            None => added.push(group.name.clone()),
            Some(old) if !same(old, group) => changed.push(group.name.clone()),
            Some(_) => {}
        }
    }
    let gone = active.iter().filter(|g| !wanted.contains(g.name.as_str()));
    (added, changed, gone.map(|g| g.name.clone()).collect())
}

/// Whether a running group is as a new one wants it.
fn same(old: &Group, new: &Group) -> bool {
    old.name == new.name
        && old.priority == new.priority
        && same_kind(&old.kind, &new.kind)
        && old.programs.len() == new.programs.len()
        && old.programs.iter().zip(&new.programs).all(|(a, b)| same_program(a, b))
}

/// Of a FastCGI socket only the URL counts, not its mode, owner or backlog; of the events of a
/// pool not their order.
fn same_kind(old: &GroupKind, new: &GroupKind) -> bool {
    match (old, new) {
        (GroupKind::Programs, GroupKind::Programs) => true,
        (GroupKind::FastCgi(a), GroupKind::FastCgi(b)) => a.url == b.url,
        (GroupKind::Listeners(a), GroupKind::Listeners(b)) => {
            let types = |events: &[String]| events.iter().cloned().collect::<HashSet<_>>();
            a.buffer_size == b.buffer_size
                && a.result_handler == b.result_handler
                && a.len_in_bytes == b.len_in_bytes
                && types(&a.events) == types(&b.events)
        }
        (GroupKind::Programs | GroupKind::FastCgi(_) | GroupKind::Listeners(_), _) => false,
    }
}

fn same_program(old: &Program, new: &Program) -> bool {
    // Every field is named, so that a new one cannot be forgotten here.
    let Program {
        name,
        priority,
        autostart,
        autorestart,
        startsecs,
        startretries,
        stopsignal,
        stopwaitsecs,
        stopasgroup,
        killasgroup,
        exitcodes,
        setup,
    } = old;
    *name == new.name
        && *priority == new.priority
        && *autostart == new.autostart
        && *autorestart == new.autorestart
        && *startsecs == new.startsecs
        && *startretries == new.startretries
        && *stopsignal == new.stopsignal
        && *stopwaitsecs == new.stopwaitsecs
        && *stopasgroup == new.stopasgroup
        && *killasgroup == new.killasgroup
        && *exitcodes == new.exitcodes
        && same_setup(setup, &new.setup)
}

fn same_setup(old: &Setup, new: &Setup) -> bool {
    let Setup {
        command,
        directory,
        umask,
        stdout,
        stderr,
        redirect_stderr,
        user,
        environment,
        serverurl,
    } = old;
    let uid = |user: &Option<super::model::User>| user.as_ref().map(|u| u.uid);
    // As texts: `Path` would take "/a/" for "/a".
    let text = |path: &Option<std::path::PathBuf>| path.as_ref().map(|p| p.as_os_str().to_owned());
    let variables = |list: &[(String, String)]| list.iter().cloned().collect::<HashMap<_, _>>();
    *command == new.command
        && text(directory) == text(&new.directory)
        && *umask == new.umask
        && same_output(stdout, &new.stdout)
        && same_output(stderr, &new.stderr)
        && *redirect_stderr == new.redirect_stderr
        && uid(user) == uid(&new.user)
        && variables(environment) == variables(&new.environment)
        && *serverurl == new.serverurl
}

fn same_output(old: &Output, new: &Output) -> bool {
    let Output { target, maxbytes, backups, capture_maxbytes, events_enabled, syslog } = old;
    same_target(target, &new.target)
        && *maxbytes == new.maxbytes
        && *backups == new.backups
        && *capture_maxbytes == new.capture_maxbytes
        && *events_enabled == new.events_enabled
        && *syslog == new.syslog
}

/// A log that is to become AUTO counts as the same, whatever it is now; an AUTO log that is to
/// become anything else does not.
fn same_target(old: &LogTarget, new: &LogTarget) -> bool {
    match (old, new) {
        (_, LogTarget::Auto) | (LogTarget::None, LogTarget::None) => true,
        (LogTarget::File(a), LogTarget::File(b)) => a.as_os_str() == b.as_os_str(),
        (LogTarget::None | LogTarget::Auto | LogTarget::File(_), _) => false,
    }
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;

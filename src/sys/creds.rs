//! Whom the whole daemon runs as. Used on the main thread at boot, before any other thread: the
//! change is for good. (A child's change of user happens in the spawn, with raw system calls.)

use crate::config::model::{Level, Note, User};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, getgrouplist, getuid, setgid, setgroups, setuid};
use std::ffi::CString;

/// Why the user cannot be taken on: a configuration error, the daemon must not start. The texts
/// are Supervisor's, with the system's reason added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredsError {
    /// Only root may become someone else.
    #[error("Can't drop privilege as nonroot user")]
    NotRoot,
    /// The supplementary groups.
    #[error("Could not set groups of effective user: {0}")]
    Groups(Errno),
    /// The group.
    #[error("Could not set group id of effective user: {0}")]
    Group(Errno),
    /// The user.
    #[error("Could not set user id of effective user: {0}")]
    User(Errno),
}

/// Applies `user=` of `[supervisord]`. Gives the line for the activity log, if there is one, in
/// Supervisor's words.
pub fn apply_user(user: Option<&User>) -> Result<Option<Note>, CredsError> {
    match user {
        Some(user) => {
            drop_privileges(user)?;
            let text = format!("Set uid to user {} succeeded", user.uid);
            Ok(Some(Note { level: Level::Info, text }))
        }
        None if getuid().is_root() => {
            Ok(Some(Note { level: Level::Critical, text: AS_ROOT.into() }))
        }
        None => Ok(None),
    }
}

/// Whether [`apply_user`] would be allowed, changing nothing.
///
/// # Errors
/// Only root may become someone else.
pub fn may_become(user: Option<&User>) -> Result<(), CredsError> {
    let current = getuid();
    match user {
        Some(user) if !current.is_root() && current.as_raw() != user.uid => {
            Err(CredsError::NotRoot)
        }
        _ => Ok(()),
    }
}

/// Supervisor's text, which log watchers know.
const AS_ROOT: &str = "Supervisor is running as root.  Privileges were not dropped because no \
                       user is specified in the config file.  If you intend to run as root, you \
                       can set user=root in the config file to avoid this message.";

/// Becomes `user`: groups, group, user, in that order, since each step needs root. Who is that
/// user already changes nothing, so an ordinary user may name itself in the configuration.
pub fn drop_privileges(user: &User) -> Result<(), CredsError> {
    let current = getuid();
    if current.as_raw() == user.uid {
        return Ok(());
    }
    if !current.is_root() {
        return Err(CredsError::NotRoot);
    }
    let gid = Gid::from_raw(user.gid);
    let name = CString::new(user.name.as_str()).map_err(|_| CredsError::Groups(Errno::EINVAL))?;
    let groups = getgrouplist(&name, gid).map_err(CredsError::Groups)?;
    setgroups(&groups).map_err(CredsError::Groups)?;
    setgid(gid).map_err(CredsError::Group)?;
    setuid(Uid::from_raw(user.uid)).map_err(CredsError::User)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::alone;
    use nix::unistd::{getgid, getgroups};

    fn someone(uid: u32) -> User {
        User { name: "nobody".into(), uid, gid: uid }
    }

    #[test]
    fn naming_oneself_changes_nothing_and_is_noted() {
        let me = someone(getuid().as_raw());
        let groups = getgroups().unwrap();
        let note = apply_user(Some(&me)).unwrap().unwrap();
        assert_eq!(note.level, Level::Info);
        assert_eq!(note.text, format!("Set uid to user {} succeeded", me.uid));
        assert_eq!(getgroups().unwrap(), groups);
    }

    #[test]
    fn running_as_root_unasked_is_critical() {
        let note = apply_user(None).unwrap();
        assert_eq!(note.map(|n| n.level), getuid().is_root().then_some(Level::Critical));
    }

    #[test]
    fn a_drop_is_complete_and_final() {
        let Some(_) = alone::file() else {
            let out = alone::run(
                "sys::creds::tests::a_drop_is_complete_and_final",
                &alone::fresh_file("creds"),
            );
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            return;
        };
        let nobody = someone(65534);
        if !getuid().is_root() {
            assert_eq!(drop_privileges(&nobody), Err(CredsError::NotRoot));
            return;
        }
        drop_privileges(&nobody).unwrap();
        assert_eq!((getuid().as_raw(), getgid().as_raw()), (65534, 65534));
        assert!(getgroups().unwrap().iter().all(|g| g.as_raw() != 0));
        assert!(setuid(Uid::from_raw(0)).is_err());
        assert_eq!(drop_privileges(&someone(1)), Err(CredsError::NotRoot));
    }
}

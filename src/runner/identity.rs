//! Whom a child becomes.

use std::ffi::CString;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::model::User;
use crate::sys::clock::Mono;
use crate::sys::spawn::Identity;

/// What is known of it before the child is made.
pub struct Who {
    /// Whom; none: it stays who we are, or is refused.
    pub identity: Option<Identity>,
    /// Why it cannot become that user.
    pub refused: Option<CString>,
    /// What the failure texts call the user.
    pub label: CString,
}

/// The groups that a user was found to have last.
#[derive(Default)]
pub struct Groups {
    last: Mutex<Option<(User, Mono, Vec<u32>)>>,
}

/// How long they count. Groups are looked up at every start, so that a new membership counts without a
/// reload; but the start of a thousand programs is one start, and a look can take a while where accounts
/// come from the network.
const FRESH: Duration = Duration::from_secs(1);

impl Groups {
    fn of(
        &self,
        user: &User,
        now: impl Fn() -> Mono,
        look: impl FnOnce(&User) -> nix::Result<Vec<u32>>,
    ) -> nix::Result<Vec<u32>> {
        // Not held during a look: another maker may have taken the place of one that hangs in it.
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, at, groups)) = &*last()
            && known == user
            && now().since(*at) < FRESH
        {
            return Ok(groups.clone());
        }
        let groups = look(user)?;
        // From its end on, as it may take longer than that.
        *last() = Some((user.clone(), now(), groups.clone()));
        Ok(groups)
    }
}

fn look_up(user: &User) -> nix::Result<Vec<u32>> {
    let name = CString::new(user.name.as_str()).unwrap_or_default();
    let groups = nix::unistd::getgrouplist(&name, nix::unistd::Gid::from_raw(user.gid))?;
    Ok(groups.into_iter().map(nix::unistd::Gid::as_raw).collect())
}

impl Who {
    /// For a program with this `user=`.
    pub fn of(user: Option<&User>, groups: &Groups) -> Who {
        let mut who = Who { identity: None, refused: None, label: CString::default() };
        let Some(user) = user else { return who };
        let current = nix::unistd::geteuid().as_raw();
        if current == user.uid {
            return who;
        }
        who.label = CString::new(user.uid.to_string()).unwrap_or_default();
        let refuse = |text: &str| CString::new(text).ok();
        if current != 0 {
            who.refused = refuse("Can't drop privilege as nonroot user");
            return who;
        }
        match groups.of(user, Mono::now, look_up) {
            Ok(groups) => {
                who.identity = Some(Identity { uid: user.uid, gid: user.gid, groups });
            }
            Err(_) => who.refused = refuse("Could not set groups of effective user"),
        }
        who
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_looked_up_once_for_starts_at_the_same_time_only() {
        let user = |uid| User { name: format!("u{uid}"), uid, gid: uid };
        let (groups, mut looks) = (Groups::default(), 0);
        let mut at = |uid, millis| {
            let now = || Mono(0).after(Duration::from_millis(millis));
            let mut look = |user: &User| {
                looks += 1;
                Ok(vec![user.gid, looks])
            };
            groups.of(&user(uid), now, &mut look).unwrap()
        };
        assert_eq!(at(1, 0), [1, 1]);
        assert_eq!(at(1, 999), [1, 1]);
        assert_eq!(at(1, 1000), [1, 2], "looked up anew");
        assert_eq!(at(2, 1000), [2, 3], "of another user");
    }
}

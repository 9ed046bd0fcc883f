//! Lines for the activity log that follow from the configuration, but are due only later.
//!
//! Pure; any thread. The texts are the reference's: people grep for them. Its order at start is
//! [`as_root`], then the configuration's own notes, then [`became`] and [`raised`], then the rest.

use super::model::{Daemon, Level, Note, Server};
use super::pytext::repr;

/// The warning that root stays root, for a start as user `uid` without `user=`.
pub fn as_root(daemon: &Daemon, uid: u32) -> Option<Note> {
    (uid == 0 && daemon.user.is_none()).then(|| Note {
        level: Level::Critical,
        text: "Supervisor is running as root.  Privileges were not dropped because no user is \
               specified in the config file.  If you intend to run as root, you can set user=root \
               in the config file to avoid this message."
            .to_owned(),
    })
}

/// That the user was changed.
pub fn became(uid: u32) -> Note {
    Note { level: Level::Info, text: format!("Set uid to user {uid} succeeded") }
}

/// That a limit such as `RLIMIT_NOFILE` was raised.
pub fn raised(limit: &str, to: u64) -> Note {
    Note { level: Level::Info, text: format!("Increased {limit} limit to {to}") }
}

/// The warning that a server lets everybody in.
pub fn without_password(server: &Server) -> Option<Note> {
    server.username.is_none().then(|| Note {
        level: Level::Critical,
        text: format!(
            "Server {} running without any HTTP authentication checking",
            repr(&server.section)
        ),
    })
}

/// What to say on stderr when root starts without `-c`: somebody else may own the folder searched.
pub const SEARCHED_AS_ROOT: &str = "warning: running as root and looking for the configuration in \
    the usual places, the current folder among them; name the file with -c to be safe";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Address;

    #[test]
    fn a_server_without_a_user_name_is_open() {
        let mut server = Server {
            section: "inet_http_server".into(),
            address: Address::Inet { host: String::new(), port: 9001 },
            username: None,
            password: None,
            web: crate::config::model::WebAccess::default(),
        };
        let text = without_password(&server).unwrap().text;
        assert!(text.starts_with("Server 'inet_http_server' running without"), "{text}");
        server.username = Some("u".into());
        assert_eq!(without_password(&server), None);
    }
}

//! File names as the configuration language treats them: Python's `expanduser`, `normpath`,
//! `dirname`, and the folder for temporary files.
//!
//! Any thread. Touches the file system (is this a folder?) and the user database (`~name`).

use std::path::PathBuf;

use nix::unistd::{AccessFlags, Uid, User, access};

use super::env::Env;

/// The name made absolute from the current folder, to ask the system about it.
pub fn located(path: &str, env: &Env) -> PathBuf {
    PathBuf::from(&env.cwd).join(path)
}

/// Whether it is a folder, symbolic links followed.
pub fn is_dir(path: &str, env: &Env) -> bool {
    // An empty name is no folder, though joining it to one gives one.
    !path.is_empty() && located(path, env).is_dir()
}

/// Everything before the last slash, without slashes at its end unless it is all slashes.
pub fn dirname(path: &str) -> &str {
    let head = match path.rfind('/') {
        Some(i) => &path[..=i],
        None => return "",
    };
    let bare = head.trim_end_matches('/');
    if bare.is_empty() { head } else { bare }
}

/// `~` and `~name` at the start replaced by that user's folder; unknown users stay.
pub fn expanduser(path: &str, env: &Env) -> String {
    let Some(rest) = path.strip_prefix('~') else { return path.to_owned() };
    let (name, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let folder = |user: Option<User>| user.map(|u| u.dir.to_string_lossy().into_owned());
    let home = if name.is_empty() {
        match env.var("HOME") {
            Some(home) => Some(home.to_owned()),
            None => folder(User::from_uid(Uid::from_raw(env.uid)).ok().flatten()),
        }
    } else {
        folder(User::from_name(name).ok().flatten())
    };
    match home {
        None => path.to_owned(),
        Some(home) => {
            let whole = format!("{}{tail}", home.trim_end_matches('/'));
            if whole.is_empty() { "/".to_owned() } else { whole }
        }
    }
}

/// The name with `.`, `..` and repeated slashes worked out of its text, links unseen.
pub fn normpath(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    // Exactly two slashes at the start have a meaning of their own in POSIX.
    let root = match path.len() - path.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            ".." if !root.is_empty() && parts.is_empty() => {}
            part => parts.push(part),
        }
    }
    let whole = format!("{root}{}", parts.join("/"));
    if whole.is_empty() { ".".to_owned() } else { whole }
}

/// The absolute, normal form.
pub fn abspath(path: &str, env: &Env) -> String {
    if path.starts_with('/') {
        normpath(path)
    } else {
        normpath(&format!("{}/{path}", env.cwd.trim_end_matches('/')))
    }
}

/// [`expanduser`], then [`abspath`].
pub fn normalize(path: &str, env: &Env) -> String {
    abspath(&expanduser(path, env), env)
}

/// The folder for temporary files: the first of the usual ones that can be written to.
pub fn tempdir(env: &Env) -> String {
    let set = ["TMPDIR", "TEMP", "TMP"].into_iter().filter_map(|v| env.var(v));
    let usable = |dir: &String| {
        let all = AccessFlags::W_OK | AccessFlags::X_OK;
        located(dir, env).is_dir() && access(&located(dir, env), all).is_ok()
    };
    set.filter(|d| !d.is_empty())
        .chain(["/tmp", "/var/tmp", "/usr/tmp"])
        .map(|dir| abspath(dir, env))
        .find(usable)
        .unwrap_or_else(|| env.cwd.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Env {
        Env {
            cwd: "/some/dir".into(),
            vars: vec![("HOME".into(), "/home/me/".into())],
            ..Env::default()
        }
    }

    #[test]
    fn names_are_normalised_by_their_text() {
        for (path, normal) in [
            ("", "."),
            ("/", "/"),
            ("//", "//"),
            ("///", "/"),
            ("//a", "//a"),
            ("///a/", "/a"),
            ("a/./b/../c", "a/c"),
            ("../a", "../a"),
            ("../../a", "../../a"),
            ("a/../..", ".."),
            ("/..", "/"),
            ("/../a", "/a"),
            ("a//b/", "a/b"),
        ] {
            assert_eq!(normpath(path), normal, "{path:?}");
        }
        assert_eq!(abspath("x", &env()), "/some/dir/x");
        assert_eq!(abspath("", &env()), "/some/dir");
        assert_eq!(abspath("../x", &env()), "/some/x");
    }

    #[test]
    fn a_tilde_is_a_home_folder() {
        assert_eq!(expanduser("~", &env()), "/home/me");
        assert_eq!(expanduser("~/x", &env()), "/home/me/x");
        assert_eq!(expanduser("~no-such-user/x", &env()), "~no-such-user/x");
        assert_eq!(expanduser("a~", &env()), "a~");
        let root = Env { vars: vec![("HOME".into(), "/".into())], ..env() };
        assert_eq!(expanduser("~", &root), "/");
        assert_eq!(expanduser("~/x", &root), "/x");
    }

    #[test]
    fn the_folder_of_a_name_is_all_before_its_last_slash() {
        for (path, dir) in
            [("a", ""), ("/a", "/"), ("a/b", "a"), ("a//b", "a"), ("///a", "///"), ("a/", "a")]
        {
            assert_eq!(dirname(path), dir, "{path:?}");
        }
    }
}

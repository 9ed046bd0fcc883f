//! The surroundings a configuration is read in, taken once, so that reading depends on nothing
//! else.
//!
//! Any thread. Touches the environment, the current folder and the host's name, only in
//! [`Env::current`].

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The surroundings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env {
    /// Environment variables. What is not UTF-8 has replacement characters.
    pub vars: Vec<(String, String)>,
    /// Current folder, for relative names.
    pub cwd: String,
    /// Name of this host, `%(host_node_name)s`.
    pub host: String,
    /// Real user id.
    pub uid: u32,
    /// File of this program, as it was called: `../etc/supervisord.conf` beside its folder is
    /// searched first.
    pub program: String,
}

impl Env {
    /// What it is now.
    pub fn current() -> Env {
        let text = |s: &OsStr| s.to_string_lossy().into_owned();
        Env {
            vars: env::vars_os().map(|(k, v)| (text(&k), text(&v))).collect(),
            cwd: env::current_dir().map_or_else(|_| "/".to_owned(), |p| text(p.as_os_str())),
            host: nix::unistd::gethostname().map_or_else(|_| String::new(), |h| text(&h)),
            uid: nix::unistd::getuid().as_raw(),
            program: text(program().as_os_str()),
        }
    }

    /// The value of a variable.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }
}

/// The file that was started, with symbolic links kept: a bare name is looked up as a shell does.
fn program() -> PathBuf {
    let called = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if called.components().count() > 1 || called.is_absolute() {
        return called;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|dir| dir.join(&called))
        .find(|file| file.is_file())
        .or_else(|| env::current_exe().ok())
        .unwrap_or_else(|| Path::new("supervisord").to_owned())
}

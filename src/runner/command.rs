//! From a `command=` line to the file to execute and its arguments.
//!
//! Used twice: by a start call, which refuses a hopeless program before anything changes, and by
//! the maker right before it spawns. Runs on the caller's thread; looks at files, owns nothing.
//! Upstream: `Subprocess.get_execv_args` and `ServerOptions.check_execv_args`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nix::unistd::{AccessFlags, access};

use crate::config::pytext::repr;
use crate::config::values::shlex_split;

/// Where programs are looked for when there is no PATH at all.
const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";

/// A command that can be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What to give to execve(2). Relative names are relative to the daemon's folder.
    pub filename: PathBuf,
    /// Arguments; the first is the program as it stands in the command line. Never empty.
    pub argv: Vec<String>,
}

/// Why a command cannot be executed. The texts are those that clients see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The line cannot be split into words.
    #[error("can't parse command {}: {reason}", repr(command))]
    Unparsable {
        /// The line.
        command: String,
        /// What the splitter says.
        reason: String,
    },
    /// The line has no word.
    #[error("command is empty")]
    Empty,
    /// No such file.
    #[error("can't find command {}", repr(.0))]
    NotFound(String),
    /// It is a folder.
    #[error("command at {} is a directory", repr(.0))]
    Directory(String),
    /// No execute bit is set.
    #[error("command at {} is not executable", repr(.0))]
    NotExecutable(String),
    /// An execute bit is set, but not for us.
    #[error("no permission to run command {}", repr(.0))]
    NoPermission(String),
}

/// Splits a command line and finds its program.
///
/// `path` is the PATH of the program's own environment; without one that of the daemon counts. A
/// word with a slash is taken as it is.
///
/// # Errors
/// See [`CommandError`].
pub fn resolve_command(command: &str, path: Option<&str>) -> Result<Command, CommandError> {
    let argv = shlex_split(command).map_err(|reason| CommandError::Unparsable {
        command: command.to_owned(),
        reason: reason.to_string(),
    })?;
    let Some(program) = argv.first() else {
        return Err(CommandError::Empty);
    };
    let filename = if program.contains('/') {
        PathBuf::from(program)
    } else {
        look_up(program, &search_path(path))
            .ok_or_else(|| CommandError::NotFound(program.clone()))?
    };
    check(&filename)?;
    Ok(Command { filename, argv })
}

/// The PATH to search: the program's, else the daemon's unless empty, else a default.
fn search_path(path: Option<&str>) -> OsString {
    match path {
        Some(path) => path.into(),
        None => match std::env::var_os("PATH") {
            Some(path) if !path.is_empty() => path,
            _ => DEFAULT_PATH.into(),
        },
    }
}

/// The first folder that has such an entry decides, whatever the entry is (as upstream: a folder of
/// that name hides a program further on). An empty part of the path is the current folder.
fn look_up(program: &str, path: &OsString) -> Option<PathBuf> {
    let mut file = PathBuf::new();
    path.as_bytes()
        .split(|b| *b == b':')
        .any(|dir| {
            file.as_mut_os_string().clear();
            file.push(OsStr::from_bytes(dir));
            file.push(program);
            fs::metadata(&file).is_ok()
        })
        .then_some(file)
}

fn check(filename: &PathBuf) -> Result<(), CommandError> {
    let name = || filename.to_string_lossy().into_owned();
    let Ok(meta) = fs::metadata(filename) else {
        return Err(CommandError::NotFound(name()));
    };
    if meta.is_dir() {
        return Err(CommandError::Directory(name()));
    }
    if meta.permissions().mode() & 0o111 == 0 {
        return Err(CommandError::NotExecutable(name()));
    }
    if access(filename, AccessFlags::X_OK).is_err() {
        return Err(CommandError::NoPermission(name()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("command-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }
    fn put(dir: &Path, name: &str, mode: u32) -> String {
        let file = dir.join(name);
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file.to_string_lossy().into_owned()
    }
    fn text(command: &str, path: Option<&str>) -> String {
        resolve_command(command, path).unwrap_err().to_string()
    }

    #[test]
    fn a_word_with_a_slash_is_taken_as_it_is() {
        let found = resolve_command("/bin/sh -c 'exit 3'", None).unwrap();
        assert_eq!(found.filename, Path::new("/bin/sh"));
        assert_eq!(found.argv, ["/bin/sh", "-c", "exit 3"]);
    }

    #[test]
    fn a_bare_word_is_looked_up_and_argv0_stays() {
        let dir = scratch("lookup");
        let file = put(&dir, "prog", 0o755);
        let path = format!("/nonexistent:{}", dir.display());
        let found = resolve_command("prog x", Some(&path)).unwrap();
        assert_eq!(found.filename, Path::new(&file));
        assert_eq!(found.argv, ["prog", "x"]);
        assert_eq!(text("prog", Some("/nonexistent")), "can't find command 'prog'");
        assert_eq!(text("prog", Some("")), "can't find command 'prog'");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said_as_upstream_says_it() {
        let dir = scratch("texts");
        let plain = put(&dir, "plain", 0o644);
        assert_eq!(text(&plain, None), format!("command at '{plain}' is not executable"));
        let folder = dir.to_string_lossy().into_owned();
        assert_eq!(text(&folder, None), format!("command at '{folder}' is a directory"));
        assert_eq!(
            text(&format!("{folder}/no x"), None),
            format!("can't find command '{folder}/no'")
        );
        assert_eq!(text("", None), "command is empty");
        assert_eq!(text("  ", None), "command is empty");
        assert_eq!(
            text("/bin/echo \"abc", None),
            "can't parse command '/bin/echo \"abc': No closing quotation"
        );
        assert_eq!(text("''", Some("/bin")), "command at '/bin/' is a directory");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_folder_in_the_path_hides_a_program_further_on() {
        let dir = scratch("hides");
        fs::create_dir(dir.join("sh")).unwrap();
        let path = format!("{}:/bin", dir.display());
        assert_eq!(
            text("sh", Some(&path)),
            format!("command at '{}/sh' is a directory", dir.display())
        );
        fs::remove_dir_all(dir).unwrap();
    }
}

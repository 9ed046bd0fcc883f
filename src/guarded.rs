//! Opening log and pid files by name, where others may write to the folder.
//!
//! Any thread; owns nothing; touches the file that is opened.
//!
//! The daemon is often root, and its files may lie in `/tmp` or in the folder of a program's user. Who
//! may write there can put something else under the name: a link to a file of root, a pipe, a file of
//! his own. The kernel's `fs.protected_*` settings refuse some of that, where they are switched on; here
//! it is refused always. What an administrator has arranged works as before: links of root or of the
//! daemon's own user are followed, wherever they lead.
//!
//! The folders on the way to the file are taken as they are.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::geteuid;

/// Links that are followed one after the other.
const LINKS: u8 = 8;

/// How a file is opened. None of them ever waits, for the other end of a pipe or anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// To read what is there.
    Read,
    /// To write at the end.
    Append {
        /// Permissions of a file that has to be made, before the umask.
        mode: u32,
    },
    /// To write at the end of what is there.
    Extend,
    /// To write it anew.
    Replace {
        /// Permissions of a file that has to be made, before the umask.
        mode: u32,
    },
}

impl How {
    fn flags(self) -> OFlag {
        let access = match self {
            How::Read => OFlag::O_RDONLY,
            How::Append { .. } | How::Extend => OFlag::O_WRONLY | OFlag::O_APPEND,
            How::Replace { .. } => OFlag::O_WRONLY,
        };
        access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC
    }

    /// Permissions of a file that has to be made; none: it is not made.
    fn made(self) -> Option<Mode> {
        match self {
            How::Read | How::Extend => None,
            How::Append { mode } | How::Replace { mode } => Some(Mode::from_bits_truncate(mode)),
        }
    }
}

/// Why a file is not touched although the system would allow it. Counts as EACCES.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} is {what}")]
pub struct Refused {
    path: String,
    what: String,
}

/// Opens a file; what is made is made by us, and what is there is not what a stranger slipped us.
///
/// # Errors
/// Those of open(2); of kind `PermissionDenied`, with [`Refused`] in it, where that is not so.
pub fn open(path: &Path, how: How) -> io::Result<File> {
    Opening { how, me: geteuid().as_raw(), of: None, links: 0 }.open(path)
}

/// The error number behind an error of [`open`].
pub fn errno(error: &io::Error) -> Errno {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number),
        None if error.kind() == io::ErrorKind::PermissionDenied => Errno::EACCES,
        None => Errno::EIO,
    }
}

struct Opening {
    how: How,
    me: u32,
    /// A stranger's link was followed, which may only lead to what is his.
    of: Option<u32>,
    links: u8,
}

impl Opening {
    fn open(&mut self, path: &Path) -> io::Result<File> {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let way = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = nix::fcntl::open(folder, way, Mode::empty())?;
        // `..` and `/` are folders and cannot be written
        let Some(name) = path.file_name() else { return Err(Errno::EISDIR.into()) };
        let at = Place { path, folder: &folder, meta: fstat(&folder)? };
        let plain = self.how.flags() | OFlag::O_NOFOLLOW;
        let opened = match (self.how.made(), self.of) {
            (Some(mode), None) => openat(&folder, name, plain | OFlag::O_CREAT, mode),
            (Some(mode), Some(owner)) => match openat(&folder, name, plain, Mode::empty()) {
                // his link may make his files in his folders
                Err(Errno::ENOENT) if at.meta.st_uid == owner => {
                    let only_new = plain | OFlag::O_CREAT | OFlag::O_EXCL;
                    openat(&folder, name, only_new, mode)
                }
                other => other,
            },
            (None, _) => openat(&folder, name, plain, Mode::empty()),
        };
        let file = match opened {
            Ok(file) => file,
            // in a shared folder the kernel says EACCES of a stranger's link, too
            Err(e @ (Errno::ELOOP | Errno::EACCES)) => return self.follow(&at, e),
            Err(e) => return Err(e.into()),
        };
        self.check(&at, &fstat(&file)?)?;
        self.ready(file)
    }

    /// A file that has passed. It is cut only now: before, it might have been anybody's.
    fn ready(&self, file: OwnedFd) -> io::Result<File> {
        let file = File::from(file);
        if matches!(self.how, How::Replace { .. }) && file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        Ok(file)
    }

    /// Root and we ourselves could do all this without a trick.
    fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == self.me
    }

    /// Whether what was opened may be used.
    fn check(&self, at: &Place<'_>, file: &FileStat) -> io::Result<()> {
        let (owner, folder) = (file.st_uid, at.meta.st_uid);
        let regular = kind(file) == libc::S_IFREG;
        if at.is_shared() && !self.trusts(owner) && owner != folder && kind(file) != libc::S_IFDIR {
            return at.refuse(format!("of user id {owner}, in a folder that all may write to"));
        }
        // another name of a file that is not the folder's owner's
        let foreign = at.is_shared() || !self.trusts(folder);
        let strange = at.is_open_to_all() || owner != folder;
        if regular && file.st_nlink > 1 && foreign && strange {
            return at.refuse("a file with other names too, in a folder of others".into());
        }
        match self.of {
            // a file of ours in his folder is one that he could have named himself
            Some(uid) if !belongs(file, uid) && folder != uid => {
                at.refuse(format!("not of user id {uid}, whose link leads there"))
            }
            _ => Ok(()),
        }
    }

    /// Goes where a link leads, if it is one to be followed. `error` is what opening it gave.
    fn follow(&mut self, at: &Place<'_>, error: Errno) -> io::Result<File> {
        let Some(name) = at.path.file_name() else { return Err(error.into()) };
        let itself = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        // nothing is there when a file could not be made: the reason is that of the making
        let Ok(link) = openat(at.folder, name, itself, Mode::empty()) else {
            return Err(error.into());
        };
        let meta = fstat(&link)?;
        if kind(&meta) != libc::S_IFLNK {
            return Err(error.into());
        }
        self.links += 1;
        if self.links > LINKS {
            return Err(Errno::ELOOP.into());
        }
        let owner = meta.st_uid;
        if !self.trusts(owner) {
            if at.is_shared() && owner != at.meta.st_uid {
                return at.refuse(format!(
                    "a symbolic link of user id {owner}, in a folder that all may write to"
                ));
            }
            self.of = Some(owner);
        }
        // the links of /proc/PID/fd lead to open files, not to names; nobody can put one there
        if fstatfs(at.folder).is_ok_and(|f| f.filesystem_type() == PROC_SUPER_MAGIC) {
            let file = openat(at.folder, name, self.how.flags(), Mode::empty())?;
            if let Some(uid) = self.of
                && !belongs(&fstat(&file)?, uid)
            {
                return at.refuse(format!("not of user id {uid}, whose link leads there"));
            }
            return self.ready(file);
        }
        let target = PathBuf::from(readlinkat(link.as_fd(), "")?);
        let next = at.path.parent().map_or_else(|| target.clone(), |p| p.join(&target));
        self.open(&next)
    }
}

/// A name in a folder.
struct Place<'a> {
    path: &'a Path,
    folder: &'a OwnedFd,
    meta: FileStat,
}

impl Place<'_> {
    fn is_open_to_all(&self) -> bool {
        self.meta.st_mode & libc::S_IWOTH != 0
    }

    /// As /tmp: all may add names, and remove their own.
    fn is_shared(&self) -> bool {
        self.is_open_to_all() && self.meta.st_mode & libc::S_ISVTX != 0
    }

    fn refuse<T>(&self, what: String) -> io::Result<T> {
        let refused = Refused { path: self.path.display().to_string(), what };
        Err(io::Error::new(io::ErrorKind::PermissionDenied, refused))
    }
}

fn kind(meta: &FileStat) -> libc::mode_t {
    meta.st_mode & libc::S_IFMT
}

/// Whether it is that user's, or a pipe or device that is nobody's in particular (`/dev/null`, or our
/// standard output by way of `/dev/stdout`).
fn belongs(meta: &FileStat, uid: u32) -> bool {
    let everyones = match kind(meta) {
        libc::S_IFIFO => true,
        libc::S_IFCHR => meta.st_mode & libc::S_IWOTH != 0,
        _ => false,
    };
    meta.st_uid == uid || everyones
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};

    const WRITE: How = How::Append { mode: 0o644 };
    const STRANGER: u32 = 65533;

    struct Dir(PathBuf);
    impl Dir {
        fn new(mode: u32) -> Dir {
            use std::sync::atomic::{AtomicU32, Ordering};
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("guarded-{}-{n}", std::process::id());
            let dir = std::env::temp_dir().join(name);
            fs::create_dir(&dir).unwrap();
            fs::create_dir(dir.join("in")).unwrap();
            fs::set_permissions(dir.join("in"), fs::Permissions::from_mode(mode)).unwrap();
            fs::write(dir.join("secret"), "secret").unwrap();
            Dir(dir)
        }
        /// A name in the folder that others may write to.
        fn at(&self, name: &str) -> PathBuf {
            self.0.join("in").join(name)
        }
        fn secret(&self) -> PathBuf {
            self.0.join("secret")
        }
        fn untouched(&self) {
            assert_eq!(fs::read_to_string(self.secret()).unwrap(), "secret");
        }
    }
    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn refused(path: &Path, how: How) -> String {
        let e = open(path, how).unwrap_err();
        assert_eq!(errno(&e), Errno::EACCES, "{e}");
        e.to_string()
    }
    fn root() -> bool {
        geteuid().is_root()
    }

    #[test]
    fn ordinary_files_are_made_appended_to_replaced_and_read() {
        let dir = Dir::new(0o755);
        let path = dir.at("log");
        assert_eq!(open(&path, How::Read).unwrap_err().raw_os_error(), Some(libc::ENOENT));
        open(&path, WRITE).unwrap().write_all(b"one").unwrap();
        open(&path, WRITE).unwrap().write_all(b"two").unwrap();
        let mut text = String::new();
        open(&path, How::Read).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "onetwo");
        open(&path, How::Replace { mode: 0o644 }).unwrap().write_all(b"3").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"3");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o133, 0);
        for (bad, number) in [("no/such", libc::ENOENT), ("log/x", libc::ENOTDIR)] {
            let e = open(&dir.at(bad), WRITE).unwrap_err();
            assert_eq!(e.raw_os_error(), Some(number), "{bad}");
        }
        assert_eq!(open(&dir.0, WRITE).unwrap_err().raw_os_error(), Some(libc::EISDIR));
        assert!(open(Path::new("/dev/null"), WRITE).is_ok());
        // As /dev/stdout in a container. Not this test's own stderr, which may be another user's.
        let (_reader, writer) = nix::unistd::pipe().unwrap();
        let path = format!("/proc/{}/fd/{}", std::process::id(), writer.as_raw_fd());
        assert!(open(Path::new(&path), WRITE).is_ok());
    }

    #[test]
    fn own_links_are_followed_even_where_all_may_write_and_make_files() {
        let (_reader, writer) = nix::unistd::pipe().unwrap();
        for mode in [0o755, 0o1777, 0o777] {
            let dir = Dir::new(mode);
            symlink(dir.secret(), dir.at("log")).unwrap();
            symlink("log", dir.at("again")).unwrap();
            open(&dir.at("again"), WRITE).unwrap().write_all(b"!").unwrap();
            assert_eq!(fs::read_to_string(dir.secret()).unwrap(), "secret!");
            symlink("../new", dir.at("dangling")).unwrap();
            open(&dir.at("dangling"), WRITE).unwrap();
            assert!(dir.0.join("new").exists());
            symlink("/dev/null", dir.at("null")).unwrap();
            open(&dir.at("null"), WRITE).unwrap();
            symlink(format!("/proc/self/fd/{}", writer.as_raw_fd()), dir.at("pipe")).unwrap();
            open(&dir.at("pipe"), WRITE).unwrap();
            symlink("loop", dir.at("loop")).unwrap();
            let e = open(&dir.at("loop"), WRITE).unwrap_err();
            assert_eq!(e.raw_os_error(), Some(libc::ELOOP));
        }
    }

    #[test]
    fn links_of_others_in_a_shared_folder_lead_nowhere() {
        if !root() {
            return;
        }
        let dir = Dir::new(0o1777);
        for target in [dir.secret(), dir.0.join("new"), "/dev/null".into()] {
            let link = dir.at("log");
            symlink(target, &link).unwrap();
            lchown(&link, Some(STRANGER), None).unwrap();
            for how in [WRITE, How::Replace { mode: 0o644 }, How::Read] {
                let text = refused(&link, how);
                assert!(text.contains("a symbolic link of user id 65533"), "{text}");
            }
            fs::remove_file(link).unwrap();
        }
        dir.untouched();
        assert!(!dir.0.join("new").exists());
    }

    #[test]
    fn files_and_pipes_of_others_in_a_shared_folder_are_not_used() {
        if !root() {
            return;
        }
        let dir = Dir::new(0o1777);
        fs::write(dir.at("file"), "his").unwrap();
        nix::unistd::mkfifo(&dir.at("fifo"), Mode::from_bits_truncate(0o666)).unwrap();
        for name in ["file", "fifo"] {
            chown(dir.at(name), Some(STRANGER), None).unwrap();
        }
        // a reader, or the pipe could not be opened at all
        let reader =
            nix::fcntl::open(&dir.at("fifo"), OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty());
        assert!(refused(&dir.at("fifo"), WRITE).contains("65533"));
        drop(reader);
        refused(&dir.at("file"), How::Replace { mode: 0o644 });
        assert_eq!(fs::read(dir.at("file")).unwrap(), b"his", "not even cut");
        // in a folder that is his, his files are where the administrator wants the log
        chown(dir.at(""), Some(STRANGER), None).unwrap();
        assert!(open(&dir.at("file"), WRITE).is_ok());
    }

    #[test]
    fn other_names_of_our_files_are_refused_in_folders_of_others() {
        let dir = Dir::new(0o1777);
        fs::hard_link(dir.secret(), dir.at("log")).unwrap();
        assert!(refused(&dir.at("log"), WRITE).contains("other names"));
        dir.untouched();
        fs::set_permissions(dir.at(""), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(open(&dir.at("log"), WRITE).is_ok(), "a folder of ours is our affair");
        if root() {
            chown(dir.at(""), Some(STRANGER), None).unwrap();
            refused(&dir.at("log"), WRITE);
        }
    }

    #[test]
    fn a_link_of_a_folders_owner_leads_to_what_is_his_and_nowhere_else() {
        if !root() {
            return;
        }
        let dir = Dir::new(0o755);
        chown(dir.at(""), Some(STRANGER), None).unwrap();
        let link = |target: &Path| {
            let _ = fs::remove_file(dir.at("log"));
            symlink(target, dir.at("log")).unwrap();
            lchown(dir.at("log"), Some(STRANGER), None).unwrap();
        };
        for how in [WRITE, How::Replace { mode: 0o644 }, How::Read] {
            link(&dir.secret());
            assert!(refused(&dir.at("log"), how).contains("whose link leads there"));
        }
        dir.untouched();
        // by way of another link
        symlink(dir.secret(), dir.at("second")).unwrap();
        link(Path::new("second"));
        refused(&dir.at("log"), WRITE);
        // nor is anything made for him in a folder that is not his
        link(&dir.0.join("new"));
        let e = open(&dir.at("log"), WRITE).unwrap_err();
        assert_eq!(e.raw_os_error(), Some(libc::ENOENT));
        assert!(!dir.0.join("new").exists());

        fs::write(dir.0.join("his"), "").unwrap();
        chown(dir.0.join("his"), Some(STRANGER), None).unwrap();
        link(&dir.0.join("his"));
        assert!(open(&dir.at("log"), WRITE).is_ok());
        link(Path::new("fresh"));
        for _ in 0..2 {
            assert!(open(&dir.at("log"), WRITE).is_ok(), "ours by the second time");
        }
        link(Path::new("/dev/null"));
        assert!(open(&dir.at("log"), WRITE).is_ok());
    }

    #[test]
    fn a_pipe_without_a_reader_is_an_error_and_no_wait() {
        let dir = Dir::new(0o755);
        nix::unistd::mkfifo(&dir.at("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
        for how in [WRITE, How::Replace { mode: 0o644 }] {
            let e = open(&dir.at("fifo"), how).unwrap_err();
            assert_eq!(e.raw_os_error(), Some(libc::ENXIO));
        }
    }
}

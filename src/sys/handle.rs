//! Files by the handle that the kernel has for them, whatever their names are by now
//! (`open_by_handle_at(2)`).
//!
//! Handles are to be had by everyone. To open one takes `CAP_DAC_READ_SEARCH`, which root has and the
//! root of a container mostly has not; and some file systems have none (overlay, without `nfs_export`).
//! Under a filter of system calls neither is tried: it may end who makes a call that it does not know.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use nix::fcntl::OFlag;

/// Bytes of the largest handle (`MAX_HANDLE_SZ`).
const MAX: usize = 128;

/// Names a file of one file system for as long as it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHandle {
    kind: i32,
    bytes: Box<[u8]>,
}

/// `struct file_handle`.
#[repr(C)]
struct Raw {
    len: u32,
    kind: i32,
    bytes: [u8; MAX],
}

/// Whether calls may be made that a filter would not expect.
fn is_unfiltered() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    // SAFETY: no memory involved.
    *ANSWER.get_or_init(|| unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) } == 0)
}

impl FileHandle {
    /// The handle of an open file.
    ///
    /// # Errors
    /// EOPNOTSUPP where the file system has none; EPERM under a filter of system calls.
    pub fn of(file: impl AsFd) -> io::Result<FileHandle> {
        if !is_unfiltered() {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        let mut raw = Raw { len: MAX as u32, kind: 0, bytes: [0; MAX] };
        let mut mount: libc::c_int = 0;
        // SAFETY: an empty C string, a handle with the room that its length says, and an int; all live.
        let r = unsafe {
            libc::syscall(
                libc::SYS_name_to_handle_at,
                file.as_fd().as_raw_fd(),
                c"".as_ptr(),
                &raw mut raw,
                &raw mut mount,
                libc::AT_EMPTY_PATH,
            )
        };
        if r != 0 {
            return Err(io::Error::last_os_error());
        }
        let bytes = raw.bytes.get(..raw.len as usize).unwrap_or_default().into();
        Ok(FileHandle { kind: raw.kind, bytes })
    }

    /// Opens the file. `near`: anything open on the same mount, not by `O_PATH`.
    ///
    /// # Errors
    /// ESTALE when it exists no more; EPERM without the capability; else those of open(2).
    pub fn open(&self, near: impl AsFd, flags: OFlag) -> io::Result<OwnedFd> {
        let mut raw = Raw { len: self.bytes.len() as u32, kind: self.kind, bytes: [0; MAX] };
        raw.bytes.iter_mut().zip(&self.bytes).for_each(|(to, from)| *to = *from);
        // SAFETY: a live handle that is as long as it says.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_open_by_handle_at,
                near.as_fd().as_raw_fd(),
                &raw mut raw,
                (flags | OFlag::O_CLOEXEC).bits(),
            )
        };
        match RawFd::try_from(fd) {
            // SAFETY: a new descriptor that nobody else has.
            Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::{Read, Write};

    #[test]
    fn a_file_is_found_under_another_name_and_not_after_its_end() {
        let folder = std::env::temp_dir().join(format!("handle-test-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (old, new) = (folder.join("old"), folder.join("new"));
        File::create(&old).unwrap().write_all(b"text").unwrap();
        // Where there are none, there is nothing to be tested.
        if let Ok(handle) = FileHandle::of(File::open(&old).unwrap()) {
            fs::rename(&old, &new).unwrap();
            let near = File::open(&folder).unwrap();
            match handle.open(&near, OFlag::O_RDONLY) {
                Ok(fd) => {
                    let mut text = String::new();
                    File::from(fd).read_to_string(&mut text).unwrap();
                    assert_eq!(text, "text");
                    fs::remove_file(&new).unwrap();
                    let gone = handle.open(&near, OFlag::O_RDONLY).unwrap_err();
                    assert_eq!(gone.raw_os_error(), Some(libc::ESTALE));
                }
                Err(e) => assert_eq!(e.raw_os_error(), Some(libc::EPERM)),
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}

//! Becoming a daemon, and what the daemon is to the system: PID 1, subreaper, heir of descriptors.
//! Used on the main thread at boot, before any other thread.

use crate::config::model::{Level, Note};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, RawFd};
use std::path::Path;

/// Why there is no daemon.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// No second process could be made.
    #[error("cannot go to the background: fork: {0}")]
    Fork(Errno),
    /// Other threads would be missing afterwards.
    #[error("cannot go to the background: {0} threads are running")]
    Threads(usize),
    /// In the background, but still tied to the terminal.
    #[error("cannot let go of the terminal: {0}")]
    Detach(io::Error),
}

/// Goes to the background, as Supervisor does: one fork, the parent exits with 0 at once, the child
/// changes folder, reads and writes /dev/null from now on, leads a session of its own and takes on
/// the umask. A folder that cannot be entered is only noted. Returns in the child, with the lines
/// for the activity log.
///
/// Open files and sockets are kept. Signal handlers are too; nothing is sent to the parent.
/// Must run before any thread is started: a fork copies only the thread it is called from, and so
/// refuses when there are others.
pub fn daemonize(directory: Option<&Path>, mask: u32) -> Result<Vec<Note>, DaemonError> {
    match thread_count() {
        Some(n) if n > 1 => return Err(DaemonError::Threads(n)),
        _ => {}
    }
    // Opened first: nothing that may fail for want of descriptors is left for after the fork.
    let null =
        OpenOptions::new().read(true).write(true).open("/dev/null").map_err(DaemonError::Detach)?;
    // SAFETY: this is the only thread, checked above, so the child's copy of the heap and of all
    // locks is consistent.
    match unsafe { fork() }.map_err(DaemonError::Fork)? {
        // SAFETY: ends the process at once; buffers and destructors are the child's to run, who
        // has the same ones.
        ForkResult::Parent { .. } => unsafe { libc::_exit(0) },
        ForkResult::Child => detach(directory, mask, &null),
    }
}

/// The child's part.
fn detach(directory: Option<&Path>, mask: u32, null: &File) -> Result<Vec<Note>, DaemonError> {
    let note = |level, text: &str| Note { level, text: text.into() };
    let mut notes = vec![
        note(Level::Blather, "supervisord forked; parent exiting"),
        note(Level::Info, "daemonizing the supervisord process"),
    ];
    if let Some(folder) = directory {
        let shown = folder.display();
        notes.push(match chdir(folder) {
            Ok(()) => note(Level::Info, &format!("set current directory: '{shown}'")),
            Err(e) => {
                // The reason in Python's form, as in Supervisor's log.
                let reason = format!("[Errno {}] {}: '{shown}'", e as i32, e.desc());
                let text = format!("can't chdir into '{shown}': {reason}");
                note(Level::Critical, &text)
            }
        });
    }
    stdio_to(null).map_err(|e| DaemonError::Detach(e.into()))?;
    // Cannot fail: a process that was just forked leads no group.
    setsid().map_err(|e| DaemonError::Detach(e.into()))?;
    set_umask(mask);
    Ok(notes)
}

fn stdio_to(null: &File) -> Result<(), Errno> {
    dup2_stdin(null)?;
    dup2_stdout(null)?;
    dup2_stderr(null)
}

/// Threads of this process (proc(5)); none when /proc is not there to tell.
fn thread_count() -> Option<usize> {
    std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// Sets the umask of the process (permission bits only) and gives the one before.
pub fn set_umask(mask: u32) -> u32 {
    umask(Mode::from_bits_truncate(mask & 0o777)).bits()
}

/// Closes one descriptor on exec.
pub fn close_on_exec(fd: impl AsFd) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(())
}

/// Closes on exec all descriptors above stderr that were inherited, so that no child gets them
/// (close_range(2), or one by one before Linux 5.11). They stay open in this process, as they may
/// be meant for it.
pub fn close_inherited_on_exec() -> io::Result<()> {
    close_on_exec_from(libc::STDERR_FILENO + 1)
}

fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    let from = u32::try_from(first).unwrap_or(0);
    let mark = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
    // SAFETY: no pointers; marks descriptors, closes none.
    if unsafe { libc::close_range(from, u32::MAX, mark) } == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(fd) = name.to_str().and_then(|s| s.parse::<RawFd>().ok()) else { continue };
        if fd >= first {
            // SAFETY: no pointers; a descriptor that is gone by now gives EBADF.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// Makes orphaned descendants our children (PR_SET_CHILD_SUBREAPER), so that their end is seen.
/// PID 1 is that anyway. Not inherited over fork: call it after [`daemonize`].
pub fn become_subreaper() -> io::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)?;
    Ok(())
}

/// Whether this process is the init of its PID namespace: it must not exit while others live, and
/// signals without a handler do not reach it.
pub fn is_pid1() -> bool {
    std::process::id() == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::alone;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{Pid, getpgrp, getpid, getsid};
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::{Command, Stdio};

    /// What the daemonized process reports about itself.
    fn report(socket: &Path, before: &str) {
        let notes = detach_alone(Some(Path::new("/")), 0o027).unwrap();
        let links: Vec<String> = (0..3)
            .map(|fd| std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap())
            .map(|p| p.display().to_string())
            .collect();
        let mut s = UnixStream::connect(socket).unwrap();
        writeln!(s, "session {}", getsid(None).unwrap() == getpid() && getpgrp() == getpid())
            .unwrap();
        writeln!(s, "other process {}", before != getpid().to_string()).unwrap();
        writeln!(s, "folder {}", std::env::current_dir().unwrap().display()).unwrap();
        writeln!(s, "stdio {}", links.join(" ")).unwrap();
        writeln!(s, "umask {:o}", set_umask(0)).unwrap();
        for note in notes {
            writeln!(s, "{} {}", note.level.tag(), note.text).unwrap();
        }
    }

    /// As `daemonize`, without the check: a test runs on a thread of its own.
    fn detach_alone(directory: Option<&Path>, mask: u32) -> Result<Vec<Note>, DaemonError> {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
        // SAFETY: the main thread of the test program only waits for this one.
        match unsafe { fork() }.map_err(DaemonError::Fork)? {
            // SAFETY: as in `daemonize`.
            ForkResult::Parent { .. } => unsafe { libc::_exit(0) },
            ForkResult::Child => detach(directory, mask, &null),
        }
    }

    #[test]
    fn a_daemon_has_left_its_terminal_folder_and_umask() {
        if let Some(socket) = alone::file() {
            report(&socket, &getpid().to_string());
            // SAFETY: ends the copy of the test program at once.
            unsafe { libc::_exit(0) };
        }
        let socket = alone::fresh_file("daemonized");
        let listener = UnixListener::bind(&socket).unwrap();
        let out = alone::run(
            "sys::daemon::tests::a_daemon_has_left_its_terminal_folder_and_umask",
            &socket,
        );
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(20_000u16)).unwrap(), 1, "no report");
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        std::fs::remove_file(&socket).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "session true",
                "other process true",
                "folder /",
                "stdio /dev/null /dev/null /dev/null",
                "umask 27",
                "BLAT supervisord forked; parent exiting",
                "INFO daemonizing the supervisord process",
                "INFO set current directory: '/'",
            ]
        );
    }

    #[test]
    fn daemonizing_beside_other_threads_is_refused() {
        // The test runner's main thread is one more than this.
        assert!(matches!(daemonize(None, 0o022), Err(DaemonError::Threads(_))));
    }

    #[test]
    fn inherited_descriptors_close_on_exec() {
        let Some(_) = alone::file() else {
            let out = alone::run(
                "sys::daemon::tests::inherited_descriptors_close_on_exec",
                &alone::fresh_file("cloexec"),
            );
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            return;
        };
        let flags = |f: &File| fcntl(f, FcntlArg::F_GETFD).unwrap();
        let file = File::open("/dev/null").unwrap();
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        close_on_exec_from(file.as_raw_fd()).unwrap();
        assert_eq!(flags(&file), libc::FD_CLOEXEC);
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        close_on_exec(&file).unwrap();
        assert_eq!(flags(&file), libc::FD_CLOEXEC);
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        close_inherited_on_exec().unwrap();
        assert_eq!(flags(&file), libc::FD_CLOEXEC);
        let stderr = fcntl(io::stderr(), FcntlArg::F_GETFD).unwrap();
        assert_eq!(stderr & libc::FD_CLOEXEC, 0);
    }

    #[test]
    fn a_subreaper_gets_orphans() {
        let Some(_) = alone::file() else {
            let out = alone::run(
                "sys::daemon::tests::a_subreaper_gets_orphans",
                &alone::fresh_file("subreaper"),
            );
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            return;
        };
        become_subreaper().unwrap();
        // The shell leaves a child behind that lives until its input ends.
        let script = "exec 3<&0; cat <&3 >/dev/null & echo $!; exec true";
        let mut shell = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = shell.stdin.take().unwrap();
        let mut text = String::new();
        shell.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        shell.wait().unwrap();
        drop(input);
        let orphan: i32 = text.trim().parse().unwrap();
        let status = waitpid(Pid::from_raw(orphan), None).unwrap();
        assert_eq!(status, WaitStatus::Exited(Pid::from_raw(orphan), 0));
    }
}

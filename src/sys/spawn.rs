//! Making a child: `clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD)` with everything prepared before.
//!
//! Why not fork: with a thread per program a fork copies every stack mapping (15 ms with 1000
//! threads), this costs 0.06 ms whatever the daemon's size. The child borrows our memory until its
//! exec, so [`child`] neither allocates nor locks nor panics, and uses raw system calls for ids:
//! glibc's set*id would broadcast the change to the daemon's threads. Nor does it copy our table of
//! descriptors where that can be avoided: see [`super::places`].
//!
//! Failures on the child's side are told as the reference tells them: a sentence on its stderr and
//! exit code 127.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use super::errno;
use super::limits;
use super::places::{self, Places};
use super::strings::Strings;

/// A new identity for the child.
#[derive(Debug, Clone)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups, the primary one included.
    pub groups: Vec<u32>,
}

/// Everything a child needs.
pub struct ChildSpec<'a> {
    /// File to execute.
    pub file: &'a CStr,
    /// Arguments, the program's name first.
    pub argv: &'a Strings,
    /// `NAME=value` strings.
    pub envp: &'a Strings,
    /// Becomes fd 0.
    pub stdin: BorrowedFd<'a>,
    /// Becomes fd 1.
    pub stdout: BorrowedFd<'a>,
    /// Becomes fd 2.
    pub stderr: BorrowedFd<'a>,
    /// Whom to become; none: stay.
    pub identity: Option<&'a Identity>,
    /// Text after `couldn't setuid to UID: ` known in advance (not root, no such user).
    pub identity_refused: Option<&'a CStr>,
    /// What the failure texts call the user.
    pub user_label: &'a CStr,
    /// Folder to change to.
    pub directory: Option<&'a CStr>,
    /// umask to set.
    pub umask: Option<u32>,
    /// Where the streams can be put, so that the child need not copy all our descriptors.
    pub places: Option<&'a Places>,
}

/// What is known of a child from its birth on, though the thread that makes it sleeps until the child's
/// exec is over, which may hang for ever: for other threads to look at.
#[derive(Debug)]
pub struct Born {
    /// 0: not yet.
    pid: AtomicI32,
    /// Written by the kernel before the child runs.
    pidfd: AtomicI32,
}

impl Default for Born {
    fn default() -> Born {
        Born { pid: AtomicI32::new(0), pidfd: AtomicI32::new(-1) }
    }
}

impl Born {
    /// The pid and a pidfd of one's own. None before the birth, and without a descriptor to be had. Only
    /// while [`spawn`] has not returned, or what it returned is still there.
    pub fn child(&self) -> Option<(i32, OwnedFd)> {
        // With Acquire: what the kernel and the child wrote before the pid is seen, too.
        match self.pid.load(Ordering::Acquire) {
            0 => None,
            pid => {
                // SAFETY: the child's number is there, so the descriptor is, and the caller keeps it open.
                let pidfd = unsafe { BorrowedFd::borrow_raw(self.pidfd.load(Ordering::Relaxed)) };
                Some((pid, pidfd.try_clone_to_owned().ok()?))
            }
        }
    }
}

struct Prepared<'a> {
    spec: &'a ChildSpec<'a>,
    born: &'a Born,
    /// The streams' numbers, for now.
    streams: [RawFd; 3],
    /// The table of descriptors is the daemon's, too; the first number that the child does not need.
    shared_from: Option<u32>,
    name: &'a [u8],
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    core: Option<libc::rlimit>,
    changed_signals: u64,
}

/// The child's stack. Its few frames need about 1 KiB.
const STACK: usize = 16 * 1024;

/// Starts a child. Returns its pid and pidfd once it has executed its program or failed to. `born` tells
/// others of it before.
///
/// # Errors
/// clone(2)'s: EAGAIN at a process limit, ENOMEM, EMFILE when there is no descriptor for the pidfd.
pub fn spawn(spec: &ChildSpec<'_>, born: &Born) -> io::Result<(i32, OwnedFd)> {
    let streams = [spec.stdin, spec.stdout, spec.stderr];
    // Given back once the child has gone on, since this thread is suspended until then.
    let lent = spec.places.and_then(|places| places.lend(streams));
    let prepared = Prepared {
        spec,
        born,
        streams: lent.as_ref().map_or(streams.map(|fd| fd.as_raw_fd()), |lent| lent.numbers()),
        shared_from: lent.as_ref().map(|lent| lent.above()),
        name: spec.argv.first(),
        argv: spec.argv.pointers(),
        envp: spec.envp.pointers(),
        core: limits::core_of_programs()
            .map(|(rlim_cur, rlim_max)| libc::rlimit { rlim_cur, rlim_max }),
        changed_signals: changed_signals(),
    };
    // u128 keeps the stack's end aligned to 16 bytes, as the psABI asks.
    let mut stack = vec![0u128; STACK / 16];
    let files = if lent.is_some() { libc::CLONE_FILES } else { 0 };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | files | libc::SIGCHLD;
    // SAFETY: the signal sets are valid objects; with all signals blocked no handler of the daemon
    // can run on the child's side. The stack is live, aligned and ours until the child has gone on
    // (CLONE_VFORK suspends this thread until then); `prepared` and all it points to outlive that.
    let (pid, error) = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut old: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
        let pid = libc::clone(
            child,
            stack.as_mut_ptr_range().end.cast(),
            flags,
            (&raw const prepared).cast_mut().cast(),
            born.pidfd.as_ptr(),
        );
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, &old, ptr::null_mut());
        (pid, error)
    };
    if pid < 0 {
        return Err(error);
    }
    // SAFETY: clone stored a fresh descriptor there (CLOEXEC by definition), owned by nobody else.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(born.pidfd.load(Ordering::Relaxed)) }))
}

/// The child's side. No allocation, no lock, no panic, no return.
extern "C" fn child(arg: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `arg` is the `Prepared` of the suspended parent thread.
    let p = unsafe { &*arg.cast::<Prepared<'_>>() };
    // SAFETY: only async-signal-safe system calls on memory prepared by the parent.
    unsafe {
        libc::setpgid(0, 0);
        p.born.pid.store(libc::getpid(), Ordering::Release);
        descriptors(p);
        signals(p.changed_signals);
        if let Some(core) = &p.core {
            // limits are the child's own (no CLONE_THREAD)
            libc::setrlimit(libc::RLIMIT_CORE, core);
        }
        if let Err(text) = identity(p.spec) {
            say(b"couldn't setuid to ");
            put(p.spec.user_label.to_bytes());
            put(b": ");
            put(text);
            give_up();
        }
        if let Some(dir) = p.spec.directory
            && libc::chdir(dir.as_ptr()) != 0
        {
            let e = errno::name(errno::last());
            say(b"couldn't chdir to ");
            put(dir.to_bytes());
            put(b": ");
            put(e.as_bytes());
            give_up();
        }
        if let Some(umask) = p.spec.umask {
            libc::umask(umask);
        }
        libc::execve(p.spec.file.as_ptr(), p.argv.as_ptr(), p.envp.as_ptr());
        let e = errno::name(errno::last());
        say(b"couldn't exec ");
        put(p.name);
        put(b": ");
        put(e.as_bytes());
        give_up()
    }
}

unsafe fn descriptors(p: &Prepared<'_>) {
    let [stdin, stdout, stderr] = p.streams;
    // SAFETY: plain system calls; the sources are above 2, since boot keeps 0 to 2 open. The table is
    // the child's alone before anything in it is changed.
    unsafe {
        if let Some(from) = p.shared_from
            && places::close_all_but(from) != 0
        {
            let text = b"supervisor: no memory for a table of descriptors";
            libc::write(stderr, text.as_ptr().cast(), text.len());
            libc::_exit(127);
        }
        libc::dup2(stdin, 0);
        libc::dup2(stdout, 1);
        libc::dup2(stderr, 2);
        // All our descriptors close on exec from birth. But an exec can hang, and who waits for the end of
        // a connection must not wait for that.
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32);
    }
}

/// The kernel's struct sigaction, whose layout differs from libc's and between processors: larger than
/// any of them, and all zero is SIG_DFL without flags everywhere.
type Disposition = [u64; 8];

/// The signals, as bits from 0 on, that do not have their default disposition: handlers of ours, and
/// what is ignored. Looked up once, since nobody changes them once the daemon has begun to make children.
fn changed_signals() -> u64 {
    static CHANGED: OnceLock<u64> = OnceLock::new();
    *CHANGED.get_or_init(|| {
        (1..=64).fold(0, |changed, signal| {
            let mut now: Disposition = [0; 8];
            let none = ptr::null::<u64>();
            // SAFETY: the array is larger than any kernel's struct. Raw, since glibc's function refuses
            // the signals 32 and 33, which its own posix_spawn hands on as ignored.
            let failed = unsafe {
                libc::syscall(libc::SYS_rt_sigaction, signal, none, now.as_mut_ptr(), 8usize)
            };
            // Where in it the handler stands differs, too; what was never changed is all zero.
            changed | u64::from(failed != 0 || now != [0; 8]) << (signal - 1)
        })
    })
}

/// Default dispositions and an empty mask: neither our handlers nor an inherited "ignore". With handlers
/// it must not wait for the exec, since until then they would run in the daemon's memory.
unsafe fn signals(mut changed: u64) {
    let default: Disposition = [0; 8];
    // SAFETY: the dispositions are the child's own copy (no CLONE_SIGHAND).
    unsafe {
        while changed != 0 {
            let signal = changed.trailing_zeros() + 1;
            let old = ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), old, 8usize);
            changed &= changed - 1;
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

unsafe fn identity(spec: &ChildSpec<'_>) -> Result<(), &'static [u8]> {
    if let Some(text) = spec.identity_refused {
        // SAFETY: the text lives in the suspended parent's memory until exec or exit.
        return Err(unsafe {
            std::slice::from_raw_parts(text.as_ptr().cast(), text.count_bytes())
        });
    }
    let Some(id) = spec.identity else { return Ok(()) };
    // SAFETY: raw system calls that act on this task alone; the group list is live.
    unsafe {
        if libc::syscall(libc::SYS_setgroups, id.groups.len(), id.groups.as_ptr()) != 0 {
            return Err(b"Could not set groups of effective user");
        }
        if libc::syscall(libc::SYS_setgid, id.gid) != 0 {
            return Err(b"Could not set group id of effective user");
        }
        if libc::syscall(libc::SYS_setuid, id.uid) != 0 {
            return Err(b"Could not set user id of effective user");
        }
    }
    Ok(())
}

fn say(text: &[u8]) {
    put(b"supervisor: ");
    put(text);
}

fn put(text: &[u8]) {
    // SAFETY: writes from a live slice; a failure leaves nothing to be done.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

fn give_up() -> ! {
    put(b"\nsupervisor: child process was not spawned\n");
    // SAFETY: _exit runs none of the parent's exit handlers.
    unsafe { libc::_exit(127) }
}

//! Threads that cost little: for thousands that only wait.
//!
//! A thread of the standard library has a signal stack of its own (two mappings), asks for its stack's
//! limits (which makes glibc ask for its processors), and its frames reach into a second page before
//! any work begins. None of that serves a thread whose work is one blocking system call.

use std::ffi::{CStr, c_void};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Starts a detached thread with a stack of about `stack` bytes, and never less than the system asks for.
/// `work` is called once. A panic in it ends the thread only; the panic hook has told of it.
///
/// # Errors
/// EAGAIN when the system has no thread to give.
pub fn start<F>(name: &'static CStr, stack: usize, work: F) -> io::Result<()>
where
    F: FnMut() + Send + 'static,
{
    let start = Box::into_raw(Box::new(Start { name, work }));
    // SAFETY: the attributes are an object of our own, initialised before use and destroyed after it. The
    // new thread is the only one to use `start` from then on; without a thread it is ours again.
    let error = unsafe {
        let mut attr: libc::pthread_attr_t = std::mem::zeroed();
        let mut thread: libc::pthread_t = std::mem::zeroed();
        let mut error = libc::pthread_attr_init(&mut attr);
        if error == 0 {
            libc::pthread_attr_setdetachstate(&mut attr, libc::PTHREAD_CREATE_DETACHED);
            let mut stack = stack.max(least_stack());
            for _ in 0..TRIES {
                error = libc::pthread_attr_setstacksize(&mut attr, stack);
                if error == 0 {
                    error = libc::pthread_create(&mut thread, &attr, begin::<F>, start.cast());
                }
                // Too small: large pages, or much that libraries keep for each thread.
                if error != libc::EINVAL {
                    break;
                }
                stack = stack.saturating_mul(2);
            }
            libc::pthread_attr_destroy(&mut attr);
        }
        if error != 0 {
            drop(Box::from_raw(start));
        }
        error
    };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// How often a larger stack is tried.
const TRIES: usize = 6;

/// What POSIX calls PTHREAD_STACK_MIN: 16 KiB here, 128 KiB there, in whole pages.
fn least_stack() -> usize {
    // SAFETY: sysconf has no memory of ours to do with.
    let ask = |name| usize::try_from(unsafe { libc::sysconf(name) }).unwrap_or(0);
    let page = ask(libc::_SC_PAGESIZE).max(4096);
    ask(libc::_SC_THREAD_STACK_MIN).max(libc::PTHREAD_STACK_MIN).next_multiple_of(page)
}

struct Start<F> {
    name: &'static CStr,
    work: F,
}

extern "C" fn begin<F: FnMut()>(start: *mut c_void) -> *mut c_void {
    let start = start.cast::<Start<F>>();
    // SAFETY: `start` made it for this thread alone. The work is called where it lies, and freed at the
    // end: freeing is what would give this thread a cache of the allocator's.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, (*start).name.as_ptr());
        let work = &mut (*start).work;
        // The hook has told of a panic, and there is nobody else to tell.
        let _ = catch_unwind(AssertUnwindSafe(work));
        drop(Box::from_raw(start));
    }
    std::ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn the_work_is_done_in_a_thread_of_that_name_and_freed() {
        let (sender, names) = channel();
        start(c"small", 64 << 10, move || {
            let name = std::fs::read_to_string("/proc/thread-self/comm");
            sender.send(name.unwrap()).unwrap();
        })
        .unwrap();
        assert_eq!(names.recv().unwrap(), "small\n");
        assert!(names.recv().is_err(), "what the work owned is dropped");
    }

    #[test]
    fn a_panic_ends_the_thread_only() {
        let (sender, ends) = channel::<()>();
        start(c"panics", 256 << 10, move || {
            let _keep = &sender;
            panic!("on purpose");
        })
        .unwrap();
        assert!(ends.recv().is_err());
    }

    #[test]
    fn a_stack_that_is_too_small_is_made_larger() {
        let (sender, ends) = channel();
        start(c"tiny", 1, move || sender.send(()).unwrap()).unwrap();
        assert!(ends.recv().is_ok());
    }

    #[test]
    fn a_stack_that_cannot_be_is_an_error() {
        let error = start(c"huge", usize::MAX / 2, || {}).unwrap_err();
        assert!(matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINVAL | libc::ENOMEM)));
    }
}

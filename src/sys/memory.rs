//! Memory that is not needed goes back to the kernel.

/// Makes all threads share one heap. Called on the main thread, before any other is there.
///
/// glibc gives threads up to eight heaps per processor, and what one has freed no other uses. With a
/// thread per program, each of which allocates only while it makes its child, that is most of the
/// daemon's memory: 36 MiB with 1000 programs on two processors in place of 24.
pub fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number in the allocator. It can only fail by leaving it as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives free memory of the heap back. Takes about a millisecond for 10 MiB, so it is for moments
/// after which there is less to do.
pub fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim may be called at any time, from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

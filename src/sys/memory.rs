//! The allocator. Called on the main thread, before any other is there.

/// Makes all threads share one heap.
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

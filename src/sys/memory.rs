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

/// Gives back what the calling thread's stack has below the caller's frame. For threads that are deep in
/// calls once and then sleep for long: with a thousand of them each page counts.
pub fn trim_stack() {
    // Whatever the frames of this function and of the wrapper below take.
    const MARGIN: usize = 512;
    let here = 0u8;
    let here = &raw const here as usize;
    // SAFETY: pthread_getattr_np fills an attribute object of our own, which is destroyed again. What
    // madvise discards lies between the lowest address of this thread's stack and a page below the
    // frame of this function: no live frame is there, and frames to come find zeroes, which is no worse
    // than the garbage that they expect.
    unsafe {
        let mut attr: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attr) != 0 {
            return;
        }
        let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
        libc::pthread_attr_getstack(&attr, &mut low, &mut size);
        libc::pthread_attr_getguardsize(&attr, &mut guard);
        libc::pthread_attr_destroy(&mut attr);
        let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap_or(4096);
        let first = (low as usize).saturating_add(guard).next_multiple_of(page);
        let end = here.saturating_sub(MARGIN) / page * page;
        // Also false where `here` should be no part of what we were told: then nothing is touched.
        if first < end && here < (low as usize).saturating_add(size) {
            libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_DONTNEED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn deep(depth: u32) -> u64 {
        let fill = std::hint::black_box([depth as u64; 512]);
        let below = if depth == 0 { 0 } else { deep(depth - 1) };
        below + fill[depth as usize % 512]
    }

    fn resident_here() -> usize {
        let here = 0u8;
        let here = &raw const here as usize;
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split_whitespace().next().and_then(|r| r.split_once('-'));
            let parsed = range.and_then(|(a, b)| {
                Some((usize::from_str_radix(a, 16).ok()?, usize::from_str_radix(b, 16).ok()?))
            });
            match parsed {
                Some((low, high)) => inside = low <= here && here < high,
                None if inside && line.starts_with("Rss:") => {
                    return line.split_whitespace().nth(1).unwrap().parse().unwrap();
                }
                None => {}
            }
        }
        0
    }

    #[test]
    fn a_stack_is_small_again_after_deep_calls_and_its_frames_stay() {
        let run = || {
            let kept = std::hint::black_box([7u8; 600]);
            assert_eq!(deep(20), 210);
            let before = resident_here();
            trim_stack();
            let after = resident_here();
            assert!(kept.iter().all(|b| *b == 7));
            (before, after)
        };
        let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(run).unwrap();
        let (before, after) = thread.join().unwrap();
        // Reading smaps itself takes a few pages.
        assert!(before >= 80 && after < before, "{before} {after}");
    }
}

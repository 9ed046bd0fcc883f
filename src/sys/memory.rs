//! Memory that is not needed goes back to the kernel.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;

/// Makes all threads share one heap. Called on the main thread, before any other is there.
///
/// glibc gives threads up to eight heaps per processor, and what one has freed no other uses. Threads
/// that allocate are few and do it seldom, so there is nothing to be won by that.
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

/// Gives back what only the start needed: free memory of the heap, and the mapping of the program's
/// code and constants. Of these the kernel maps sixteen pages around each that is touched, so that in
/// the end the reader of the configuration, the options' help and whatever stands between them count as
/// memory of a daemon that will not use them again. What it does use is mapped again when it is touched,
/// from the page cache, by a fault of about a microsecond. (Breakpoints that a debugger has set by then
/// are lost.)
pub fn start_is_over() {
    trim_heap();
    unmap_program();
}

/// See [`start_is_over`]. Only the program itself: what libraries do with their own code (they could
/// have relocated it) is not ours to know. Gives the number of bytes.
fn unmap_program() -> usize {
    let mut unmap = Unmap { mapped: mapped_from_the_file(), bytes: 0 };
    // SAFETY: the callback has the signature that is asked for, and its data outlives the call.
    unsafe {
        libc::dl_iterate_phdr(Some(unmap_first), (&raw mut unmap).cast());
    }
    unmap.bytes
}

struct Unmap {
    mapped: Vec<(usize, usize)>,
    bytes: usize,
}

/// Where pages of the program's file are mapped without permission to write. What is elsewhere does not
/// come again: a packed program, or one whose code was moved to large pages, lies in memory of its own.
fn mapped_from_the_file() -> Vec<(usize, usize)> {
    let (Ok(exe), Ok(maps)) =
        (std::fs::metadata("/proc/self/exe"), std::fs::File::open("/proc/self/maps"))
    else {
        return Vec::new();
    };
    let (major, minor) = (libc::major(exe.dev()), libc::minor(exe.dev()));
    let file = (format!("{major:02x}:{minor:02x}"), exe.ino().to_string());
    let mut found = Vec::new();
    let mut seen = false;
    for line in BufReader::new(maps).lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_ascii_whitespace().take(5).collect();
        let &[range, access, _, device, inode] = words.as_slice() else { break };
        if (device, inode) != (&file.0, &file.1) {
            // They lie side by side. Behind them come the stacks of thousands of threads.
            if seen {
                break;
            }
            continue;
        }
        seen = true;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let ends = range.split_once('-').map(|(first, end)| (number(first), number(end)));
        if let Some((Some(first), Some(end))) = ends
            && !access.contains('w')
        {
            found.push((first, end));
        }
    }
    found
}

/// Callback of `dl_iterate_phdr`, which begins with the program; also in a static one.
unsafe extern "C" fn unmap_first(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    unmap: *mut libc::c_void,
) -> libc::c_int {
    const END: libc::c_int = 1;
    // SAFETY: the caller hands a valid description of an object that is loaded, with `dlpi_phnum`
    // headers, and what [`unmap_program`] gave it. What is discarded are whole pages inside of a
    // segment without permission to write, where the file itself is mapped: they are as in the file, from
    // where they come again. Relocated data is in segments that can be written to, also where it is
    // protected afterwards (RELRO).
    unsafe {
        let (info, unmap) = (&*info, &mut *unmap.cast::<Unmap>());
        if info.dlpi_phdr.is_null() {
            return END;
        }
        let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap_or(4096);
        for header in std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) {
            if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
                continue;
            }
            let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
            let end = start.wrapping_add(header.p_filesz as usize) / page * page;
            for (low, high) in &unmap.mapped {
                let (first, end) = (start.next_multiple_of(page).max(*low), end.min(*high));
                if first < end
                    && libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_DONTNEED)
                        == 0
                {
                    unmap.bytes += end - first;
                }
            }
        }
    }
    END
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_whole_after_it_was_unmapped() {
        // Addresses are relocated at the start.
        static RELOCATED: [fn(&str) -> String; 2] = [str::to_lowercase, str::to_uppercase];
        let size = std::fs::metadata("/proc/self/exe").unwrap().len() as usize;
        for _ in 0..3 {
            let bytes = unmap_program();
            assert!(bytes > 100_000 && bytes < size, "{bytes} of {size}");
            let made = std::hint::black_box(&RELOCATED).map(|f| f("aB"));
            assert_eq!(made, ["ab", "AB"]);
        }
    }
}

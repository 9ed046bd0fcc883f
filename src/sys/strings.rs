//! Lists of C strings for execve(2), each list in one block. Made for every start of a program:
//! hundreds of small allocations would stay behind in the allocator's cache of the thread that makes children,
//! 4 KiB for each program.

use std::ptr;

/// A text holds a NUL character, where C strings end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a text holds a NUL character")]
pub struct HoldsNul;

/// Strings one after the other, each with its NUL.
#[derive(Debug, Clone, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Strings {
    /// With room for so many strings of so many bytes in all.
    pub fn with_capacity(strings: usize, bytes: usize) -> Strings {
        Strings { bytes: Vec::with_capacity(bytes + strings), starts: Vec::with_capacity(strings) }
    }

    /// Adds the string that `parts` make together.
    ///
    /// # Errors
    /// One of them holds a NUL.
    pub fn push(&mut self, parts: &[&[u8]]) -> Result<(), HoldsNul> {
        if parts.iter().any(|p| p.contains(&0)) {
            return Err(HoldsNul);
        }
        self.starts.push(self.bytes.len());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
        Ok(())
    }

    /// The first string, without its NUL; empty when there is none.
    pub fn first(&self) -> &[u8] {
        self.bytes.split(|b| *b == 0).next().unwrap_or_default()
    }

    /// What execve(2) takes: a pointer to each string, then null. They hold as long as nothing is
    /// added.
    pub fn pointers(&self) -> Vec<*const libc::c_char> {
        let at =
            |start: &usize| self.bytes.get(*start..).map_or(ptr::null(), <[u8]>::as_ptr).cast();
        self.starts.iter().map(at).chain(std::iter::once(ptr::null())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn pointers_lead_to_the_strings_in_order_and_end_with_null() {
        let mut list = Strings::with_capacity(1, 1);
        for parts in [&[&b"A"[..], b"=", b"x y"][..], &[b""], &[b"last"]] {
            list.push(parts).unwrap();
        }
        let pointers = list.pointers();
        let (end, rest) = pointers.split_last().unwrap();
        assert!(end.is_null());
        // SAFETY: they point to strings with a NUL in `list`, which is alive.
        let texts: Vec<&CStr> = rest.iter().map(|p| unsafe { CStr::from_ptr(*p) }).collect();
        assert_eq!(texts, [c"A=x y", c"", c"last"]);
        assert_eq!(list.first(), b"A=x y");
    }

    #[test]
    fn a_nul_is_refused_and_adds_nothing() {
        let mut list = Strings::default();
        assert_eq!(list.push(&[b"a", b"\0"]), Err(HoldsNul));
        assert_eq!(list.pointers().len(), 1);
        assert_eq!(list.first(), b"");
    }
}

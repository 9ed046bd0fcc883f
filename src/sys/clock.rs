//! Clocks. Decisions use [`Mono`] and get it as a parameter; wall time is for display and ticks.

use std::time::Duration;

/// A point of CLOCK_MONOTONIC in nanoseconds. Plain data, so that deadlines can be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// Now (clock_gettime(2)).
    pub fn now() -> Mono {
        let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `ts` is a valid, writable timespec; CLOCK_MONOTONIC always exists on Linux.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
        Mono(ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64)
    }
    /// Later by `d`; saturates.
    pub fn after(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
    /// Later by whole seconds; negative counts as none.
    pub fn after_secs(self, secs: i64) -> Mono {
        self.after(Duration::from_secs(u64::try_from(secs).unwrap_or(0)))
    }
    /// Time since `earlier`, zero when that is later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Wall clock: seconds since 1970 and microseconds.
pub fn wall() -> (i64, u32) {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as in `Mono::now`.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut ts) };
    (ts.tv_sec, (ts.tv_nsec / 1000) as u32)
}

/// strftime(3) of a wall-clock second in the local time zone. `format` must give some text.
pub fn local(secs: i64, format: &std::ffi::CStr) -> String {
    let mut buf = [0u8; 128];
    // SAFETY: all-zero is a valid `tm` (its pointer member may be null).
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live objects; localtime_r is thread-safe; strftime writes at
    // most `buf.len()` bytes and returns how many.
    let n = unsafe {
        if libc::localtime_r(&secs, &mut tm).is_null() {
            return secs.to_string();
        }
        libc::strftime(buf.as_mut_ptr().cast(), buf.len(), format.as_ptr(), &tm)
    };
    String::from_utf8_lossy(&buf[..n]).into_owned()
}

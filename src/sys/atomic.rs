//! Atomics of hand-overs whose orderings are checked by loom: its own when it runs, else the standard
//! library's. `RUSTFLAGS="--cfg loom" cargo test --lib loom_`

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

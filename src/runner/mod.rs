//! One thread per program process: spawns it, waits for its end, reaps it when told.
//!
//! Owns its child until it is reaped. Touches `sys::{spawn, wait, pidfd}`, the program's log files
//! (to open them, so that a failure is a spawn failure) and the queues of coordinator and pump.
//!
//! While a child lives the runner needs nothing but its end: signals are sent by the coordinator
//! through the same pidfd, and deadlines are the coordinator's timers. So it blocks in
//! `poll(pidfd)` then, and on its command queue otherwise; no further descriptor is needed.

pub mod command;
pub mod descriptors;
pub mod fcgi;
mod orders;
pub mod orphans;
pub mod plan;
pub mod thread;
pub mod turn;

pub use plan::Plan;
pub use thread::{Command, Runner};

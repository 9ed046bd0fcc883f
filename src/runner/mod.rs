//! Children: one thread makes them (`maker`), and one per program process waits for their ends
//! (`thread`).
//!
//! Touches `sys::{spawn, wait, pidfd}`, the programs' log files (to open them, so that a failure is a
//! spawn failure) and the queues of coordinator and pump.
//!
//! While a child lives its runner needs nothing but its end: signals are sent by the coordinator
//! through the same pidfd, and deadlines are the coordinator's timers. So it blocks in
//! `poll(pidfd)` then, and on its command queue otherwise; no further descriptor is needed.

pub mod command;
pub mod descriptors;
pub mod fcgi;
pub mod identity;
pub mod maker;
mod orders;
pub mod orphans;
pub mod plan;
pub mod thread;

pub use maker::{Make, Makers};
pub use plan::Plan;
pub use thread::{Command, Links, Runner, Watch};

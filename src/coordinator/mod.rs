//! The coordinator: owner of the process table, groups, timers, listener pools and the shutdown
//! phase. Runs on the main thread after boot, receives on one inbox and touches channels only.

pub mod inbox;
pub mod published;

//! The life of a process, as pure decisions: `(machine, input, policy, now) -> effects`.

pub mod state;

pub use state::{ExitStatus, State};

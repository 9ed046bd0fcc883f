//! The life of a process, as pure decisions: `(machine, input, policy, now) -> effects`.
//!
//! Nothing here reads a clock, sends a message or knows of threads.

pub mod policy;
pub mod state;
pub mod transition;

pub use policy::Policy;
pub use state::{ExitStatus, State};
pub use transition::{Effect, Input, Machine, Now};

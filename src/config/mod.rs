//! Configuration: text in, one typed, immutable [`model::Config`] out.
//!
//! Owns nothing at run time. Touches files, the environment and the user database, only while
//! loading. Runs on the main thread at boot and on the caller's thread for a re-read.

pub mod added;
pub mod ctl;
mod daemon;
pub mod diff;
pub mod env;
pub mod error;
pub mod expand;
#[doc(hidden)]
pub mod fuzzing;
mod groups;
pub mod hints;
pub mod ini;
pub mod keys;
pub mod load;
pub mod model;
mod near;
pub mod notes;
pub mod options;
mod paths;
mod programs;
pub mod pytext;
pub mod sample;
mod section;
mod servers;
mod shlex;
mod signals;
#[cfg(test)]
mod testing;
pub mod values;
mod wildcard;

pub use error::ConfigError;
pub use servers::{MAIN_INTERFACE, TWIDDLER_INTERFACE, default_serverurl};

//! Configuration: text in, one typed, immutable [`model::Config`] out.
//!
//! Owns nothing at run time. Touches files, the environment and the user database, only while
//! loading. Runs on the main thread at boot and on the caller's thread for a re-read.

pub mod model;

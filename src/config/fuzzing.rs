//! A door for the fuzz targets in `fuzz/`, which are another crate: readers of this room that have no
//! caller outside of it. No part of the daemon calls them, and they promise nothing.

use super::shlex::{ShlexError, shlex_tokens};
use super::wildcard;

/// The tokens of a list of variables.
///
/// # Errors
/// A quote is not closed.
pub fn tokens(text: &str) -> Result<Vec<String>, ShlexError> {
    shlex_tokens(text)
}

/// Whether a file name fits a pattern of `[include]`.
pub fn fits(pattern: &str, name: &str) -> bool {
    wildcard::takes(pattern, name)
}

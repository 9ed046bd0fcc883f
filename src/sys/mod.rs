//! The kernel's side: the only room with `unsafe` code, each block with its SAFETY line.
#![allow(unsafe_code)]

pub mod clock;
pub mod fds;

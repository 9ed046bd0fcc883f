//! The kernel's side: the only room with `unsafe` code, each block with its SAFETY line.
#![allow(unsafe_code)]

#[cfg(test)]
pub mod alone;
pub mod atomic;
pub mod clock;
pub mod cmdline;
pub mod creds;
pub mod daemon;
pub mod epoll;
pub mod errno;
pub mod fds;
pub mod handle;
pub mod limits;
pub mod memory;
pub mod notify;
pub mod pidfd;
pub mod places;
pub mod signals;
pub mod spawn;
pub mod strings;
pub mod table;
pub mod thread;
pub mod wait;

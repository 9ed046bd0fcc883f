//! supervisorctl: commands typed by people and scripts, sent to supervisord as XML-RPC.
//!
//! Thread: supervisorctl's main, and the `ctrlc` crate's for Ctrl-C. Owns: its terminal, its history,
//! its connection. May touch: the network to the daemon, `rpc::{xml, value, faults}`, names of events, the loader of
//! `[supervisorctl]`.
//!
//! ```text
//! options + config -> Ctl (session) -> dispatch -> commands::* -> transport -> supervisord
//!                        ^ shell, input                   |-> render, json -> output
//! ```

pub mod app;
pub mod commands;
pub mod complete;
pub mod dispatch;
pub mod error;
pub mod exit;
pub mod follow;
pub mod http;
pub mod input;
pub mod interrupt;
pub mod names;
pub mod options;
pub mod output;
pub mod render;
pub mod session;
pub mod shell;
pub mod sse;
pub mod target;
pub mod transport;
pub mod tty;

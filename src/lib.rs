//! A process supervisor for Linux, compatible with Python Supervisor.
//!
//! One library, four thin programs. Arrows are data; nothing points backwards except messages:
//!
//! ```text
//! text -> config::ini -> config::load -> Config (Arc) -> coordinator::table
//!   -> machine (pure) -> Effect -> runner::maker -> sys::spawn -> child
//!   child exits -> runner -> (pump) -> Msg::Exited -> coordinator -> machine -> Event -> events::bus
//!   child writes -> pump -> sinks (files, syslog); tagged output -> Msg -> events::bus
//!   HTTP bytes -> http::conn -> rpc::xml -> Msg::Call -> coordinator -> reply -> rpc::xml -> HTTP bytes
//!   a typed line -> ctl::commands -> rpc::xml -> ctl::transport -> (the row above) -> ctl::render
//! ```
//!
//! Which room owns what, and why, is told in `ARCHITECTURE.md`.

pub mod activity;
pub mod autolog;
pub mod boot;
pub mod cli;
pub mod compare;
pub mod config;
pub mod coordinator;
pub mod ctl;
pub mod events;
pub mod guarded;
pub mod http;
pub mod json;
pub mod machine;
pub mod monitor;
pub mod password;
pub mod pidproxy;
pub mod pump;
pub mod rehearsal;
pub mod rpc;
pub mod runner;
pub mod sys;

//! The commands, one table. Thread: main. Own nothing; touch the daemon through `Ctl`.

pub mod events;
pub mod fg;
pub mod groups;
pub mod help;
pub mod logs;
pub mod password;
pub mod process;
pub mod server;
pub mod status;
mod table;
#[cfg(test)]
mod tests;
pub mod top;
mod watching;

pub use table::{Command, Flow, OURS, TABLE, find, names, print_help};

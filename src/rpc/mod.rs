//! XML-RPC: the codec, the method table, and how calls reach the coordinator.

mod actions;
mod args;
pub mod backend;
pub mod dispatch;
pub mod faults;
#[doc(hidden)]
pub mod fuzzing;
pub mod info;
pub mod logs;
pub mod members;
pub mod methods;
mod multicall;
mod reports;
pub mod status_json;
mod subscribe;
#[cfg(test)]
pub(crate) mod testing;
mod twiddler;
pub mod value;
pub mod xml;

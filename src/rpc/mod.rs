//! XML-RPC: the codec, the method table, and how calls reach the coordinator.

pub mod faults;
pub mod value;

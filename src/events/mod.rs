//! Events, their payloads, and the pools of listeners they go to. Pure; owned by the coordinator.

pub mod bus;
pub mod effects;
pub mod event;
pub mod listener;
pub mod pool;
pub mod record;
pub mod stream;
pub mod text;
pub mod tick;
pub mod types;

pub use bus::Bus;
pub use effects::{Effects, PoolEffect};
pub use event::{Event, StateChange};
pub use pool::PoolSpec;
pub use stream::{Feed, Subscription};
pub use tick::Ticker;
pub use types::{EventType, TypeSet};

//! Subscriptions of clients to events. Part of [`Service`]; runs on connection threads.

use std::sync::atomic::Ordering;

use super::dispatch::Service;
use crate::coordinator::inbox::{Msg, Op};
use crate::events::stream::{self, Subscription};
use crate::events::types::TypeSet;
use crate::http::NoEvents;

/// Clients that may follow events at a time. Each costs a thread, two descriptors and what waits for
/// it, see [`stream::MOST_BYTES`].
const MOST_STREAMS: usize = 64;

impl Service {
    /// Subscribes to events of these kinds: whatever happens after this has returned is in it.
    pub(super) fn subscribe(&self, types: TypeSet) -> Result<Subscription, NoEvents> {
        let refused = |why: String| NoEvents::Refused(why);
        let streams = self.streams.clone();
        if streams.fetch_add(1, Ordering::Relaxed) >= MOST_STREAMS {
            streams.fetch_sub(1, Ordering::Relaxed);
            return Err(refused(format!("{MOST_STREAMS} clients follow events already")));
        }
        let queue = stream::queue(types).map_err(|e| {
            streams.fetch_sub(1, Ordering::Relaxed);
            refused(format!("no event stream can be had: {e}"))
        });
        let (feed, subscription) = queue?;
        let (inbox, counter) = (self.inbox.clone(), self.streams.clone());
        let subscription = subscription.on_end(move || {
            counter.fetch_sub(1, Ordering::Relaxed);
            // A coordinator that has ended has forgotten it.
            let _ = inbox.send(Msg::Unsubscribed);
        });
        self.ask(Op::Subscribe(feed)).map_err(|fault| refused(fault.text))?;
        Ok(subscription)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventType;
    use crate::rpc::testing::Bench;

    #[test]
    fn so_many_may_follow_and_a_place_is_free_again_at_the_end() {
        let bench = Bench::new(Vec::new());
        let subscribe = || bench.service.subscribe(TypeSet::of(EventType::Event));
        let mut held: Vec<_> = (0..MOST_STREAMS).map(|_| subscribe().unwrap()).collect();
        assert!(
            matches!(subscribe(), Err(NoEvents::Refused(why)) if why.starts_with("64 clients"))
        );
        held.pop();
        held.push(subscribe().unwrap());
        assert!(subscribe().is_err());
        assert_eq!(bench.last_asked(), "subscribe");
    }
}

//! What a client may cost us.

use std::time::Duration;

/// Limits of every listener. The defaults suit production; tests take smaller ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request line and headers.
    pub head_bytes: usize,
    /// Number of headers.
    pub headers: usize,
    /// Bytes of a request body.
    pub body_bytes: usize,
    /// Connections per listener, each with its own thread while there are any. When they are all in use, the one that
    /// has been idle longest makes room; when none is idle, newcomers get 503.
    pub connections: usize,
    /// How long a new connection may wait before its first request.
    pub first: Duration,
    /// How long a connection that has been served may wait before its next request. Long, because
    /// Python clients (superlance and all that use its transport) keep a connection between ticks
    /// of a minute or an hour and do not retry when they find it closed; the reference practically
    /// never closes one.
    pub idle: Duration,
    /// How long a request line and headers may take from their first byte to the last.
    pub head: Duration,
    /// How long a request body may take.
    pub body: Duration,
    /// How long a client may take nothing of an answer.
    pub stall: Duration,
    /// How long an event stream may be silent: then a comment is sent, since proxies close
    /// connections on which nothing happens.
    pub keep_alive: Duration,
    /// How long a connection that is to be closed may still send what we throw away, lest the
    /// kernel's reset destroys the answer on its way.
    pub linger: Duration,
    /// How long [`super::Server::shutdown`] waits for answers that are being made.
    pub drain: Duration,
    /// How many connections may wait for the reserve thread, which serves those that can have none of
    /// their own. Newcomers beyond that get 503.
    pub waiting: usize,
    /// How long one that is served by the reserve may take to send its request, and may take nothing of
    /// the answer: others wait. Those that have sent nothing have it from when they came.
    pub haste: Duration,
    /// Stack of a connection's thread in bytes.
    pub stack: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes: 16 * 1024,
            headers: 64,
            body_bytes: 1024 * 1024,
            connections: 512,
            first: Duration::from_secs(30),
            idle: Duration::from_secs(2 * 60 * 60),
            head: Duration::from_secs(10),
            body: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            linger: Duration::from_secs(2),
            drain: Duration::from_secs(5),
            waiting: 16,
            haste: Duration::from_secs(2),
            // only touched pages cost memory; unoptimised code has frames several times as large
            stack: if cfg!(debug_assertions) { 1024 * 1024 } else { 192 * 1024 },
        }
    }
}

//! What children write: escape sequences, marked blocks, the talk of event listeners.

use supervisord::events::listener::{Listener, ListenerState, Step};
use supervisord::events::text::readable;
use supervisord::pump::fuzzing::{capture, strip};

use super::cuts;

/// The marks of a block.
const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// Pieces of any size give the same text, which has no more than was there.
pub fn strip_ansi(data: &[u8]) {
    let whole = strip([data].into_iter());
    for pieces in cuts(data) {
        assert_eq!(strip(pieces.into_iter()), whole);
    }
    let mut rest = data.iter();
    assert!(whole.iter().all(|b| rest.any(|d| d == b)), "bytes are taken out, none are put in");
    // an ESC with no bracket behind it is none of ours
    assert!(!whole.windows(2).any(|w| w == b"\x1b[") || data.windows(2).any(|w| w == b"\x1b\x1b"));
    if !data.contains(&0x1b) {
        assert_eq!(whole, data);
    }
}

/// Pieces of any size give the same log and the same blocks; together they are all that came.
pub fn capture_tokens(data: &[u8]) {
    let (text, blocks, open) = capture([data].into_iter(), usize::MAX);
    for pieces in cuts(data) {
        assert_eq!(capture(pieces.into_iter(), usize::MAX), (text.clone(), blocks.clone(), open));
    }
    let inside: usize = blocks.iter().map(|b| b.len() + BEGIN.len() + END.len()).sum();
    match open {
        false => assert_eq!(text.len() + inside, data.len()),
        true => assert!(text.len() + inside + BEGIN.len() <= data.len()),
    }
    for block in &blocks {
        assert!(!block.windows(END.len()).any(|w| w == END));
    }
    const LIMIT: usize = 16;
    for pieces in cuts(data) {
        let longest = pieces.iter().map(|p| p.len()).max().unwrap_or(0) + BEGIN.len();
        let (same_text, cut, _) = capture(pieces.into_iter(), LIMIT);
        assert_eq!(same_text, text);
        assert_eq!(cut.len(), blocks.len());
        for (cut, block) in cut.iter().zip(&blocks) {
            assert!(cut.len() <= LIMIT.max(longest) && block.ends_with(cut));
        }
    }
}

/// Pieces of any size mean the same. A NUL stands for an event that is sent when it is waited for.
pub fn listener_protocol(data: &[u8]) {
    let whole = talk(data, |turn| vec![turn]);
    for way in 0..3 {
        let cut = talk(data, |turn| cuts(turn).into_iter().nth(way).unwrap_or_default());
        assert_eq!(cut, whole);
    }
    let (steps, listener) = whole;
    for (i, step) in steps.iter().enumerate() {
        match step {
            Step::BadLine(_) | Step::Violated(_) => {
                assert_eq!(i + 1, steps.len(), "nothing is heard of it after that");
                assert_eq!(listener.state(), ListenerState::Unknown);
            }
            Step::Ready | Step::Accepted | Step::Rejected => {}
        }
    }
    let done = |s: &&Step| matches!(s, Step::Accepted | Step::Rejected);
    let ready = |s: &&Step| matches!(s, Step::Ready);
    assert!(steps.iter().filter(done).count() <= steps.iter().filter(ready).count());
    readable(data);
}

fn talk(data: &[u8], cut: impl Fn(&[u8]) -> Vec<&[u8]>) -> (Vec<Step>, Listener) {
    let (mut listener, mut steps) = (Listener::new(), Vec::new());
    for turn in data.split(|b| *b == 0) {
        if listener.state() == ListenerState::Ready {
            listener.sent();
        }
        cut(turn).into_iter().for_each(|piece| listener.feed(piece, &mut steps));
    }
    (steps, listener)
}

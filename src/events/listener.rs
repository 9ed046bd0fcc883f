//! The listener protocol, seen from our side of one listener's stdout.
//!
//! Pure; one value per start of a listener, owned by its [`super::pool::Pool`]. Bytes go in, in
//! pieces of any size; what they mean comes out as [`Step`]s. Memory is bounded whatever is written:
//! of a result only its agreement with `OK` is kept.

use super::text::readable;

/// What a listener writes when it can take an event.
const READY: &[u8] = b"READY\n";
/// Length of `RESULT `. The reference skips so many bytes without looking at them.
const RESULT_SKIP: usize = 7;
/// The one result that accepts an event; all others reject it.
const ACCEPT: &[u8] = b"OK";
/// A result line longer than this cannot be one. The reference would collect it without end.
const MAX_LINE: usize = 64 * 1024;
/// Python's limit on digits of a number.
const MAX_DIGITS: usize = 4300;

/// Where a listener is in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListenerState {
    /// Started, or done with an event; has yet to say that it is ready.
    Acknowledged,
    /// Waits for an event.
    Ready,
    /// Has an event; has yet to give its result.
    Busy,
    /// Broke the protocol; gets nothing more until it is started again.
    Unknown,
}

impl ListenerState {
    /// Name in log lines.
    pub fn name(self) -> &'static str {
        match self {
            ListenerState::Acknowledged => "ACKNOWLEDGED",
            ListenerState::Ready => "READY",
            ListenerState::Busy => "BUSY",
            ListenerState::Unknown => "UNKNOWN",
        }
    }
}

/// What a listener's output came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// ACKNOWLEDGED to READY.
    Ready,
    /// BUSY to ACKNOWLEDGED: the event is done with.
    Accepted,
    /// BUSY to ACKNOWLEDGED: the event is to be sent again.
    Rejected,
    /// BUSY to UNKNOWN for a result line without a length: the event is to be sent again.
    BadLine(String),
    /// To UNKNOWN for output where none is allowed; there is no event in work.
    Violated(ListenerState),
}

/// The protocol's state for one start of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    state: ListenerState,
    /// Beginning of a token that is not complete.
    partial: Vec<u8>,
    /// Set between a result line and the end of its result.
    result: Option<Gathering>,
}

/// A result that is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gathering {
    length: u64,
    seen: u64,
    accepts: bool,
}

impl Default for Listener {
    fn default() -> Self {
        Self::new()
    }
}

impl Listener {
    /// A listener that has just been started: ACKNOWLEDGED.
    pub fn new() -> Listener {
        Listener { state: ListenerState::Acknowledged, partial: Vec::new(), result: None }
    }

    /// Its state.
    pub fn state(&self) -> ListenerState {
        self.state
    }

    /// An event is on its way to it: BUSY. Only a READY listener may get one.
    pub fn sent(&mut self) {
        debug_assert_eq!(self.state, ListenerState::Ready);
        self.state = ListenerState::Busy;
    }

    /// The event did not reach it: READY again.
    pub(super) fn unsent(&mut self) {
        debug_assert_eq!(self.state, ListenerState::Busy);
        self.state = ListenerState::Ready;
        self.partial.clear();
        self.result = None;
    }

    /// Takes output in, and adds what it means to `steps` in order.
    pub fn feed(&mut self, mut data: &[u8], steps: &mut Vec<Step>) {
        while !data.is_empty() {
            data = match (self.state, self.result.is_some()) {
                (ListenerState::Unknown, _) => return,
                (ListenerState::Ready, _) => {
                    self.violated(steps);
                    return;
                }
                (ListenerState::Acknowledged, _) => self.ready_token(data, steps),
                (ListenerState::Busy, false) => self.result_line(data, steps),
                (ListenerState::Busy, true) => self.result_body(data, steps),
            };
        }
    }

    fn violated(&mut self, steps: &mut Vec<Step>) {
        steps.push(Step::Violated(self.state));
        self.give_up();
    }

    fn give_up(&mut self) {
        self.state = ListenerState::Unknown;
        self.partial = Vec::new();
        self.result = None;
    }

    /// Decides only when as many bytes as the token has are there, as the reference does.
    fn ready_token<'a>(&mut self, data: &'a [u8], steps: &mut Vec<Step>) -> &'a [u8] {
        let missing = READY.len().saturating_sub(self.partial.len());
        let (taken, rest) = data.split_at(missing.min(data.len()));
        self.partial.extend_from_slice(taken);
        if self.partial.len() < READY.len() {
            return rest;
        }
        if self.partial == READY {
            self.partial.clear();
            self.state = ListenerState::Ready;
            steps.push(Step::Ready);
        } else {
            self.violated(steps);
        }
        rest
    }

    fn result_line<'a>(&mut self, data: &'a [u8], steps: &mut Vec<Step>) -> &'a [u8] {
        let room = MAX_LINE - self.partial.len().min(MAX_LINE);
        let end = data.iter().take(room).position(|&b| b == b'\n');
        let taken = end.unwrap_or(room.min(data.len()));
        let (head, rest) = data.split_at(taken.min(data.len()));
        self.partial.extend_from_slice(head);
        if end.is_none() && self.partial.len() < MAX_LINE {
            return &[];
        }
        let line = std::mem::take(&mut self.partial);
        let length = end.and_then(|_| python_length(line.get(RESULT_SKIP..).unwrap_or(&[])));
        let Some(length) = length else {
            steps.push(Step::BadLine(readable(&line).into_owned()));
            self.give_up();
            return &[];
        };
        self.result = Some(Gathering { length, seen: 0, accepts: length == ACCEPT.len() as u64 });
        // An empty result is complete with its line. (The reference notices at the next byte.)
        self.finish_result(steps);
        rest.get(1..).unwrap_or(&[])
    }

    fn result_body<'a>(&mut self, data: &'a [u8], steps: &mut Vec<Step>) -> &'a [u8] {
        let Some(result) = &mut self.result else { return data };
        let needed = usize::try_from(result.length - result.seen).unwrap_or(usize::MAX);
        let (taken, rest) = data.split_at(needed.min(data.len()));
        if result.accepts {
            let expected = ACCEPT.iter().skip(usize::try_from(result.seen).unwrap_or(usize::MAX));
            result.accepts = taken.iter().zip(expected).all(|(a, b)| a == b);
        }
        result.seen += taken.len() as u64;
        self.finish_result(steps);
        rest
    }

    fn finish_result(&mut self, steps: &mut Vec<Step>) {
        if let Some(result) = self.result.take_if(|r| r.seen == r.length) {
            self.state = ListenerState::Acknowledged;
            steps.push(if result.accepts { Step::Accepted } else { Step::Rejected });
        }
    }
}

/// A length as Python's `int()` reads it from bytes: white space around, a sign, single underscores
/// between digits. Too many for us to ever see saturate. Negative ones are refused; the reference
/// recurses on them until it gives the listener up.
fn python_length(text: &[u8]) -> Option<u64> {
    let space = |b: &u8| matches!(b, b'\t'..=b'\r' | b' ');
    let start = text.iter().position(|b| !space(b))?;
    let end = text.iter().rposition(|b| !space(b))? + 1;
    let text = text.get(start..end)?;
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let mut value: u64 = 0;
    let mut count = 0;
    for part in digits.split(|&b| b == b'_') {
        if part.is_empty() || !part.iter().all(u8::is_ascii_digit) {
            return None;
        }
        count += part.len();
        for digit in part {
            value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        }
    }
    (count <= MAX_DIGITS && !(negative && value > 0)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(listener: &mut Listener, data: &[u8]) -> Vec<Step> {
        let mut steps = Vec::new();
        listener.feed(data, &mut steps);
        steps
    }

    fn busy() -> Listener {
        let mut listener = Listener::new();
        assert_eq!(feed(&mut listener, b"READY\n"), [Step::Ready]);
        listener.sent();
        listener
    }

    fn result(data: &[u8]) -> (Vec<Step>, ListenerState) {
        let mut listener = busy();
        let steps = feed(&mut listener, data);
        (steps, listener.state())
    }

    #[test]
    fn a_round_goes_through_all_states() {
        let mut listener = busy();
        assert_eq!(listener.state(), ListenerState::Busy);
        assert_eq!(feed(&mut listener, b"RESULT 2\nOK"), [Step::Accepted]);
        assert_eq!(listener.state(), ListenerState::Acknowledged);
        assert_eq!(feed(&mut listener, b"READY\n"), [Step::Ready]);
        listener.sent();
        assert_eq!(feed(&mut listener, b"RESULT 4\nFAILREADY\n"), [Step::Rejected, Step::Ready]);
        assert_eq!(listener.state(), ListenerState::Ready);
    }

    #[test]
    fn only_exactly_ok_accepts() {
        assert_eq!(result(b"RESULT 2\nOK").0, [Step::Accepted]);
        for other in ["2\nok", "4\nOKAY", "3\nOK\n", "2\nKO", "1\nO", "3\n OK", "0\n"] {
            let (steps, state) = result(format!("RESULT {other}").as_bytes());
            assert_eq!(steps, [Step::Rejected], "{other:?}");
            assert_eq!(state, ListenerState::Acknowledged);
        }
    }

    #[test]
    fn the_word_before_the_length_is_not_looked_at() {
        assert_eq!(result(b"Result:2\nOK").0, [Step::Accepted]);
        assert_eq!(result(b"1234567 +0_2 \r\nOK").0, [Step::Accepted]);
    }

    #[test]
    fn a_line_without_a_length_ends_the_talk() {
        let lines = ["GARBAGE", "", "RESULT x", "RESULT 2_", "RESULT -1", "RESULT 1 2", "RESULT  "];
        for line in lines {
            let (steps, state) = result(format!("{line}\nREADY\n").as_bytes());
            assert_eq!(steps, [Step::BadLine(line.to_owned())]);
            assert_eq!(state, ListenerState::Unknown);
        }
        assert_eq!(
            result(b"RESULT \xff\n").0,
            [Step::BadLine("Undecodable: b'RESULT \\xff'".to_owned())]
        );
    }

    #[test]
    fn a_line_without_end_ends_the_talk() {
        let (steps, state) = result(&vec![b'x'; MAX_LINE + 5]);
        assert_eq!(steps, [Step::BadLine("x".repeat(MAX_LINE))]);
        assert_eq!(state, ListenerState::Unknown);
        assert!(result(&vec![b'x'; MAX_LINE - 1]).0.is_empty());
    }

    #[test]
    fn output_while_ready_ends_the_talk() {
        let mut listener = Listener::new();
        assert_eq!(
            feed(&mut listener, b"READY\nx"),
            [Step::Ready, Step::Violated(ListenerState::Ready)]
        );
        assert!(feed(&mut listener, b"READY\nREADY\n").is_empty());
        assert_eq!(listener.state(), ListenerState::Unknown);
    }

    #[test]
    fn garbage_before_ready_is_judged_when_six_bytes_are_there() {
        let mut listener = Listener::new();
        assert!(feed(&mut listener, b"hello").is_empty());
        assert_eq!(listener.state(), ListenerState::Acknowledged);
        assert_eq!(feed(&mut listener, b" "), [Step::Violated(ListenerState::Acknowledged)]);
        assert_eq!(listener.state(), ListenerState::Unknown);
    }

    #[test]
    fn a_huge_result_is_read_without_keeping_it() {
        let mut listener = busy();
        assert!(feed(&mut listener, b"RESULT 99999999999999999999999\nOK").is_empty());
        assert!(feed(&mut listener, &[b'x'; 1 << 16]).is_empty());
        assert_eq!(listener.state(), ListenerState::Busy);
        assert!(listener.partial.capacity() == 0);
    }

    #[test]
    fn lengths_are_read_as_python_reads_them() {
        for (text, length) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("+4", Some(4)),
            (" 007\r", Some(7)),
            ("1_000", Some(1000)),
            ("\u{b}3\u{c}", Some(3)),
            ("1__0", None),
            ("_1", None),
            ("+ 1", None),
            ("--1", None),
            ("0x1", None),
            ("1.0", None),
            ("1\0", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(python_length(text.as_bytes()), length, "{text:?}");
        }
        assert_eq!(python_length("9".repeat(4300).as_bytes()), Some(u64::MAX));
        assert_eq!(python_length("9".repeat(4301).as_bytes()), None);
    }

    /// Output such as listeners write, right and wrong.
    fn talk() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            6 => Just(b"READY\n".to_vec()),
            4 => Just(b"RESULT 2\nOK".to_vec()),
            2 => Just(b"RESULT 4\nFAIL".to_vec()),
            1 => Just(b"RESULT 0\n".to_vec()),
            1 => Just(b"RESULT x\n".to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..8),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_mean_the_same(
            talk in talk(),
            cuts in proptest::collection::vec(0usize..40, 0..20),
            start_busy: bool,
        ) {
            let begin = || if start_busy { busy() } else { Listener::new() };
            let (mut whole, mut cut) = (begin(), begin());
            let expected = feed(&mut whole, &talk);
            let mut steps = Vec::new();
            let mut rest = talk.as_slice();
            for size in cuts {
                let (piece, after) = rest.split_at(size.min(rest.len()));
                cut.feed(piece, &mut steps);
                rest = after;
            }
            for byte in rest {
                cut.feed(std::slice::from_ref(byte), &mut steps);
            }
            prop_assert_eq!(steps, expected);
            prop_assert_eq!(cut, whole);
        }

        #[test]
        fn an_unknown_listener_stays_unknown(talk in talk(), more in talk()) {
            let mut listener = busy();
            feed(&mut listener, &talk);
            feed(&mut listener, b"\xffxxxxxx\n");
            feed(&mut listener, b"\xffxxxxxx\n");
            if listener.state() == ListenerState::Unknown {
                prop_assert!(feed(&mut listener, &more).is_empty());
                prop_assert_eq!(listener.state(), ListenerState::Unknown);
            }
        }
    }
}

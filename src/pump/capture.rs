//! Finds PROCESS_COMMUNICATION blocks in a stream, whatever pieces it comes in. Pure.
//!
//! Bytes between the two marks are collected into a block, all others are log text. Only a real
//! beginning of a mark at the end of a piece is kept back until the next piece (the reference keeps
//! back anything shorter than a mark, and loses it at the end).

/// Opens a block.
pub(super) const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
/// Closes it.
pub(super) const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// What a stretch of the stream is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Log text.
    Text(&'a [u8]),
    /// Bytes of a block, not for the log. They are to be given to [`Capture::keep`], which is the
    /// caller's affair because escape sequences may have to be taken out first.
    Inside(&'a [u8]),
    /// A BEGIN mark.
    Begin,
    /// An END mark: [`Capture::take`] has the block.
    End,
}

/// The state between two pieces.
#[derive(Debug)]
pub(super) struct Capture {
    limit: usize,
    inside: bool,
    held: Vec<u8>,
    block: Vec<u8>,
}

impl Capture {
    /// Blocks of up to `limit` bytes.
    pub fn new(limit: usize) -> Capture {
        Capture { limit, inside: false, held: Vec::new(), block: Vec::new() }
    }

    /// Cuts the next piece into parts.
    pub fn feed(&mut self, piece: &[u8], mut each: impl FnMut(&mut Capture, Part<'_>)) {
        if self.held.is_empty() {
            self.cut(piece, &mut each);
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(piece);
            self.cut(&joined, &mut each);
        }
    }

    fn cut(&mut self, mut data: &[u8], each: &mut impl FnMut(&mut Capture, Part<'_>)) {
        loop {
            let mark = if self.inside { END } else { BEGIN };
            let (len, found) = find(data, mark);
            let (before, tail) = data.split_at(len);
            if !before.is_empty() {
                let inside = self.inside;
                each(self, if inside { Part::Inside(before) } else { Part::Text(before) });
            }
            if !found {
                self.held.extend_from_slice(tail);
                return;
            }
            self.inside = !self.inside;
            let part = if self.inside { Part::Begin } else { Part::End };
            each(self, part);
            data = tail.get(mark.len()..).unwrap_or_default();
        }
    }

    /// Adds bytes to the block. Over the limit as many of the oldest go as come in; a single
    /// stretch that is longer than the limit is kept whole (both as in the reference, so that
    /// events have the same bytes). A block is thus never above the limit or one read.
    pub fn keep(&mut self, data: &[u8]) {
        if self.block.len() + data.len() > self.limit {
            self.block.drain(..data.len().min(self.block.len()));
        }
        self.block.extend_from_slice(data);
    }

    /// The stream is between the marks of a block.
    pub fn is_inside(&self) -> bool {
        self.inside
    }

    /// The finished block.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.block)
    }

    /// Forgets what has been collected so far (clearProcessLogs in the middle of a block).
    pub fn clear(&mut self) {
        self.block.clear();
    }

    /// The stream pauses for good or ends: gives out a kept back beginning of a mark.
    pub fn finish(&mut self, each: impl FnOnce(&mut Capture, Part<'_>)) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            let inside = self.inside;
            each(self, if inside { Part::Inside(&held) } else { Part::Text(&held) });
        }
    }
}

/// Length of what comes before the mark, and whether the mark is there as a whole. When it is not,
/// the length leaves out a beginning of the mark at the end of `data`.
fn find(data: &[u8], mark: &[u8]) -> (usize, bool) {
    let first = mark.first().copied().unwrap_or_default();
    let mut at = 0;
    while let Some(skip) = data.get(at..).and_then(|d| d.iter().position(|b| *b == first)) {
        at += skip;
        let tail = data.get(at..).unwrap_or_default();
        if tail.starts_with(mark) {
            return (at, true);
        }
        if mark.starts_with(tail) {
            return (at, false);
        }
        at += 1;
    }
    (data.len(), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Log text and blocks.
    fn run(limit: usize, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (mut text, mut blocks) = (Vec::new(), Vec::new());
        let mut capture = Capture::new(limit);
        let mut each = |c: &mut Capture, part: Part<'_>| match part {
            Part::Text(t) => text.extend_from_slice(t),
            Part::Inside(t) => c.keep(t),
            Part::Begin => {}
            Part::End => blocks.push(c.take()),
        };
        for piece in pieces {
            capture.feed(piece, &mut each);
        }
        capture.finish(&mut each);
        (text, blocks)
    }

    #[test]
    fn a_block_is_cut_out_of_the_text() {
        let (text, blocks) =
            run(99, &[b"before <!--XSUPERVISOR:BEGIN-->msg<!--XSUPERVISOR:END--> after"]);
        assert_eq!(text, b"before  after");
        assert_eq!(blocks, [b"msg"]);
    }

    #[test]
    fn short_text_is_not_kept_back() {
        let mut capture = Capture::new(9);
        let mut got = Vec::new();
        capture.feed(b"ab<!", |_, p| got.push(format!("{p:?}")));
        assert_eq!(got, [format!("{:?}", Part::Text(b"ab"))]);
        capture.feed(b"-x", |_, p| got.push(format!("{p:?}")));
        assert_eq!(got[1], format!("{:?}", Part::Text(b"<!-x")));
    }

    #[test]
    fn the_tail_comes_out_at_the_end() {
        assert_eq!(run(9, &[b"a<!--XSUPER"]).0, b"a<!--XSUPER");
    }

    #[test]
    fn the_oldest_bytes_go_above_the_limit() {
        let (_, blocks) =
            run(6, &[BEGIN, b"abcd", b"ef", b"gh", END, BEGIN, b"longer than that", END]);
        assert_eq!(blocks, [b"cdefgh".to_vec(), b"longer than that".to_vec()]);
    }

    #[test]
    fn a_begin_inside_a_block_is_data() {
        let (_, blocks) = run(999, &[BEGIN, b"a", BEGIN, b"b", END]);
        assert_eq!(blocks, [[b"a", BEGIN, b"b"].concat()]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            words in prop::collection::vec(prop::sample::select(vec![
                BEGIN, END, b"<!--XSUPERVISOR:".as_slice(), b"<", b"-->", b"text\n"]), 0..12),
            cuts in prop::collection::vec(0usize..200, 0..12),
        ) {
            let whole = words.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(whole.len())).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &whole[w[0]..w[1]]).collect();
            prop_assert_eq!(run(100_000, &pieces), run(100_000, &[&whole]));
        }
    }
}

//! Takes ANSI escape sequences out of a stream, whatever pieces it comes in. Pure.
//!
//! What counts is the reference's rule, not ECMA-48: a sequence begins with `ESC [` and ends with
//! the first of a fixed set of letters, anything in between goes with it. The reference looks at
//! each read by itself and so leaves halves of sequences in the log; this one remembers.

/// Where in the text we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Text,
    /// An ESC was seen and kept back: the next byte decides whether it is shown.
    Escape,
    Sequence,
}

/// The state between two pieces.
#[derive(Debug, Default)]
pub(super) struct Stripper {
    state: State,
}

const ESC: u8 = 0x1b;

/// The letters that end a sequence (reference: ANSI_TERMINATORS).
fn ends_sequence(byte: u8) -> bool {
    matches!(
        byte,
        b'H' | b'f'
            | b'A'
            | b'B'
            | b'C'
            | b'D'
            | b'R'
            | b's'
            | b'u'
            | b'J'
            | b'K'
            | b'h'
            | b'l'
            | b'p'
            | b'm'
    )
}

impl Stripper {
    /// Appends what is left of a piece to `out`. At most one byte, an ESC, is kept back.
    pub fn feed(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        while let Some((&first, rest)) = piece.split_first() {
            match self.state {
                State::Text => {
                    let plain = piece.iter().position(|b| *b == ESC).unwrap_or(piece.len());
                    let (text, tail) = piece.split_at(plain);
                    out.extend_from_slice(text);
                    piece = match tail.split_first() {
                        Some((_, after)) => {
                            self.state = State::Escape;
                            after
                        }
                        None => tail,
                    };
                }
                State::Escape if first == b'[' => {
                    self.state = State::Sequence;
                    piece = rest;
                }
                // Not consumed: it may be an ESC itself.
                State::Escape => {
                    out.push(ESC);
                    self.state = State::Text;
                }
                State::Sequence => {
                    let end = piece.iter().position(|b| ends_sequence(*b));
                    match end.and_then(|i| piece.split_at_checked(i + 1)) {
                        Some((_, after)) => {
                            self.state = State::Text;
                            piece = after;
                        }
                        None => piece = &[],
                    }
                }
            }
        }
    }

    /// The text ends here: gives out what was kept back and begins anew.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.state == State::Escape {
            out.push(ESC);
        }
        self.state = State::Text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strip(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut stripper, mut out) = (Stripper::default(), Vec::new());
        for piece in pieces {
            stripper.feed(piece, &mut out);
        }
        stripper.finish(&mut out);
        out
    }

    /// The rule told once more in the plainest way, over the whole text at once.
    fn oracle(text: &[u8]) -> Vec<u8> {
        let (mut out, mut i) = (Vec::new(), 0);
        while i < text.len() {
            if text[i..].starts_with(b"\x1b[") {
                i += 1;
                while i < text.len() && !b"HfABCDRsuJKhlpm".contains(&text[i]) {
                    i += 1;
                }
            } else {
                out.push(text[i]);
            }
            i += 1;
        }
        out
    }

    #[test]
    fn colours_go_and_text_stays() {
        assert_eq!(strip(&[b"a\x1b[31mred\x1b[0m b\x1b[2Jc\x1b[1;32mx\n"]), b"ared bcx\n");
    }

    #[test]
    fn a_sequence_split_over_reads_goes_as_a_whole() {
        assert_eq!(strip(&[b"a\x1b", b"[3", b"1mred"]), b"ared");
    }

    #[test]
    fn escapes_that_begin_no_sequence_stay() {
        assert_eq!(strip(&[b"\x1b(B\x1b\x1b", b"\x1b[mx\x1b"]), b"\x1b(B\x1b\x1bx\x1b");
    }

    #[test]
    fn an_unknown_final_letter_eats_up_to_a_known_one() {
        assert_eq!(strip(&[b"\x1b[1GHello"]), b"ello", "as in the reference");
        assert_eq!(strip(&[b"x\x1b[1Gno"]), b"x");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            pieces in prop::collection::vec(
                prop::collection::vec(prop::sample::select(b"\x1b[m0;ab\n".to_vec()), 0..9), 0..9)
        ) {
            let refs: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(strip(&refs), oracle(&pieces.concat()));
        }
    }
}

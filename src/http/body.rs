//! The chunked transfer coding, both ways. Pure.

/// Bytes that chunk extensions and trailers may have together: nobody needs them.
const OVERHEAD: usize = 4096;

/// Why a chunked body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadChunk {
    /// Not the chunked coding.
    Malformed,
    /// More bytes than allowed.
    TooLarge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size {
        digits: u8,
    },
    /// Behind the size: blanks may stand before an extension or the line's end.
    Blank,
    Extension,
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    Trailer {
        empty: bool,
    },
    TrailerEnd {
        empty: bool,
    },
    Done,
}

/// Decodes a chunked body that comes in pieces.
#[derive(Debug)]
pub(super) struct Decoder {
    at: At,
    left: usize,
    most: usize,
    overhead: usize,
    body: Vec<u8>,
}

impl Decoder {
    /// For a body of at most `most` bytes.
    pub fn new(most: usize) -> Decoder {
        Decoder { at: At::Size { digits: 0 }, left: 0, most, overhead: 0, body: Vec::new() }
    }

    /// Whether the body is complete.
    pub fn done(&self) -> bool {
        self.at == At::Done
    }

    /// Bytes of the body so far.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// The body.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Takes bytes until the body is complete; gives how many it took.
    pub fn feed(&mut self, input: &[u8]) -> Result<usize, BadChunk> {
        let mut rest = input;
        while let Some((&byte, after)) = rest.split_first() {
            match self.at {
                At::Done => break,
                At::Data => {
                    let (data, after) = rest.split_at(self.left.min(rest.len()));
                    self.body.extend_from_slice(data);
                    self.left -= data.len();
                    if self.left == 0 {
                        self.at = At::DataReturn;
                    }
                    rest = after;
                    continue;
                }
                _ => self.at = self.step(byte)?,
            }
            rest = after;
        }
        Ok(input.len() - rest.len())
    }

    fn step(&mut self, byte: u8) -> Result<At, BadChunk> {
        let end = |next: At| if byte == b'\n' { Ok(next) } else { Err(BadChunk::Malformed) };
        match self.at {
            At::Size { digits } => self.size(byte, digits),
            At::Blank => self.behind_size(byte),
            At::Extension if byte == b'\r' => Ok(At::SizeEnd),
            At::Extension if byte == b'\n' => Err(BadChunk::Malformed),
            At::Extension => self.skip().map(|()| At::Extension),
            At::SizeEnd if self.left == 0 => end(At::Trailer { empty: true }),
            At::SizeEnd => end(At::Data),
            At::DataReturn if byte == b'\r' => Ok(At::DataEnd),
            At::DataReturn => Err(BadChunk::Malformed),
            At::DataEnd => end(At::Size { digits: 0 }),
            At::Trailer { empty } if byte == b'\r' => Ok(At::TrailerEnd { empty }),
            At::Trailer { .. } if byte == b'\n' => Err(BadChunk::Malformed),
            At::Trailer { .. } => self.skip().map(|()| At::Trailer { empty: false }),
            At::TrailerEnd { empty: true } => end(At::Done),
            At::TrailerEnd { empty: false } => end(At::Trailer { empty: true }),
            At::Data | At::Done => Ok(self.at),
        }
    }

    fn size(&mut self, byte: u8, digits: u8) -> Result<At, BadChunk> {
        match (byte, char::from(byte).to_digit(16)) {
            // eight digits are 4 GiB, so the sum cannot overflow
            (_, Some(_)) if digits == 8 => Err(BadChunk::TooLarge),
            (_, Some(digit)) => {
                self.left = if digits == 0 { 0 } else { self.left << 4 } | digit as usize;
                if self.body.len().saturating_add(self.left) > self.most {
                    return Err(BadChunk::TooLarge);
                }
                Ok(At::Size { digits: digits + 1 })
            }
            _ if digits == 0 => Err(BadChunk::Malformed),
            _ => self.behind_size(byte),
        }
    }

    fn behind_size(&mut self, byte: u8) -> Result<At, BadChunk> {
        match byte {
            b'\r' => Ok(At::SizeEnd),
            b';' => self.skip().map(|()| At::Extension),
            b' ' | b'\t' => self.skip().map(|()| At::Blank),
            _ => Err(BadChunk::Malformed),
        }
    }

    fn skip(&mut self) -> Result<(), BadChunk> {
        self.overhead += 1;
        if self.overhead > OVERHEAD { Err(BadChunk::TooLarge) } else { Ok(()) }
    }
}

/// One chunk of a chunked answer. `data` must not be empty: an empty chunk would end the answer.
pub(super) fn chunk(data: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    out
}

/// The end of a chunked answer.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(text: &[u8], most: usize) -> Result<(Vec<u8>, usize, bool), BadChunk> {
        let mut d = Decoder::new(most);
        let n = d.feed(text)?;
        let done = d.done();
        Ok((d.into_body(), n, done))
    }

    #[test]
    fn chunks_are_joined_and_the_rest_is_left() {
        for (text, body) in [
            ("5\r\nhello\r\n0\r\n\r\nNEXT", "hello"),
            (
                "3 ;a=b\r\nabc\r\nA \r\n0123456789\r\n000\r\nTrailer: x\r\nB: y\r\n\r\nNEXT",
                "abc0123456789",
            ),
            ("0\r\n\r\nNEXT", ""),
        ] {
            let (got, n, done) = decode(text.as_bytes(), 100).unwrap();
            assert_eq!((got.as_slice(), &text[n..], done), (body.as_bytes(), "NEXT", true));
        }
    }

    #[test]
    fn what_is_not_chunked_is_refused() {
        for text in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "5\nhello",
            "5\r\nhelloX",
            "1\r\na\r\r\n",
            "0\r\n\n",
            ";\r\n",
            "1;\n",
            "0\r\nA: b\n",
            "5 junk\r\nhello",
            "5\t\n",
        ] {
            assert_eq!(decode(text.as_bytes(), 100), Err(BadChunk::Malformed), "{text:?}");
        }
        assert_eq!(decode(b"65\r\n", 100), Err(BadChunk::TooLarge));
        assert_eq!(decode(b"60\r\n", 100).map(|r| r.2), Ok(false));
        assert_eq!(decode(b"fffffffff", usize::MAX), Err(BadChunk::TooLarge));
        assert_eq!(
            decode(&[b"1;".as_slice(), &[b'x'; 5000]].concat(), 100),
            Err(BadChunk::TooLarge)
        );
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_body(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..5),
            size in 1usize..20,
        ) {
            let mut wire: Vec<u8> = parts.iter().flat_map(|p| chunk(p)).collect();
            wire.extend_from_slice(LAST_CHUNK);
            let mut d = Decoder::new(1000);
            for piece in wire.chunks(size) {
                prop_assert_eq!(d.feed(piece), Ok(piece.len()));
            }
            prop_assert!(d.done());
            prop_assert_eq!(d.into_body(), parts.concat());
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(text in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&text, 50);
        }
    }
}

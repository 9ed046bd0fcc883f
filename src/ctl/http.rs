//! The reading half of HTTP/1.1: response heads, and bodies by length, by chunks or up to the end.
//! Pure: bytes in, pieces out.

/// Most bytes of a response head.
const MAX_HEAD: usize = 64 * 1024;
/// Most headers of a response.
const MAX_HEADERS: usize = 100;
/// Most bytes of one chunk, and of one line between chunks.
const MAX_CHUNK: usize = 64 * 1024 * 1024;
const MAX_LINE: usize = 16 * 1024;

/// What is no HTTP response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The head cannot be read.
    #[error("the answer is no HTTP response: {0}")]
    Head(String),
    /// The head is too large.
    #[error("the head of the answer has more than {MAX_HEAD} bytes")]
    HeadTooLarge,
    /// A chunk is not as it must be.
    #[error("the answer has a bad chunk")]
    Chunk,
    /// A length that is no number.
    #[error("the answer has a bad Content-Length")]
    Length,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After that many bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The connection ends.
    Close,
}

/// A response head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// How the body ends.
    pub framing: Framing,
    /// The connection cannot be used again.
    pub close: bool,
}

/// Reads a head from the start of `buf`: the head and its length, or nothing while incomplete.
///
/// # Errors
/// See [`HttpError`].
pub fn parse_head(buf: &[u8]) -> Result<Option<(Head, usize)>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let used = match response.parse(buf) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) if buf.len() > MAX_HEAD => {
            return Err(HttpError::HeadTooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => return Err(HttpError::Head(e.to_string())),
    };
    let status = response.code.unwrap_or(0);
    let mut framing = Framing::Close;
    let mut close = response.version == Some(0);
    for header in response.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        let value = value.trim();
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if value.eq_ignore_ascii_case("chunked") {
                framing = Framing::Chunked;
            }
        } else if header.name.eq_ignore_ascii_case("content-length") {
            let length = value.parse().map_err(|_| HttpError::Length)?;
            if framing != Framing::Chunked {
                framing = Framing::Length(length);
            }
        } else if header.name.eq_ignore_ascii_case("connection") {
            close = close || value.eq_ignore_ascii_case("close");
        }
    }
    if framing == Framing::Close {
        close = true;
    }
    let reason = response.reason.unwrap_or("").to_owned();
    Ok(Some((Head { status, reason, framing, close }, used)))
}

/// Where in a body the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Counted(u64),
    ChunkSize,
    ChunkData(usize),
    ChunkEnd,
    Trailer,
    UpToClose,
    Done,
}

/// A body being read. Chunks come out whole, as they were sent; anything else as it arrives.
#[derive(Debug)]
pub struct Body {
    part: Part,
    buf: Vec<u8>,
}

impl Body {
    /// A body of which nothing was read yet.
    pub fn new(framing: Framing) -> Body {
        let part = match framing {
            Framing::Length(0) => Part::Done,
            Framing::Length(n) => Part::Counted(n),
            Framing::Chunked => Part::ChunkSize,
            Framing::Close => Part::UpToClose,
        };
        Body { part, buf: Vec::new() }
    }

    /// Whether all of it was read.
    pub fn is_done(&self) -> bool {
        self.part == Part::Done
    }

    /// Whether the end of the connection completes it.
    pub fn ends_at_close(&self) -> bool {
        matches!(self.part, Part::Done | Part::UpToClose)
    }

    /// Takes bytes from the connection and gives the pieces that are complete.
    ///
    /// # Errors
    /// Malformed chunks.
    pub fn feed(&mut self, input: &[u8]) -> Result<Vec<Vec<u8>>, HttpError> {
        let mut pieces = Vec::new();
        match self.part {
            Part::Done => {}
            Part::UpToClose => pieces.push(input.to_vec()),
            Part::Counted(left) => {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                pieces.push(input.get(..take).unwrap_or(input).to_vec());
                let left = left - take as u64;
                self.part = if left == 0 { Part::Done } else { Part::Counted(left) };
            }
            _ => {
                self.buf.extend_from_slice(input);
                let mut used = 0;
                while let Some(step) = self.chunk_step(used, &mut pieces)? {
                    used += step;
                }
                self.buf.drain(..used);
            }
        }
        Ok(pieces)
    }

    /// One step in a chunked body from `at` on: the bytes used, or none when more are needed.
    fn chunk_step(
        &mut self,
        at: usize,
        out: &mut Vec<Vec<u8>>,
    ) -> Result<Option<usize>, HttpError> {
        let rest = self.buf.get(at..).unwrap_or_default();
        match self.part {
            Part::ChunkSize => {
                let Some((line, used)) = line_of(rest)? else { return Ok(None) };
                self.part = match chunk_size(line)? {
                    0 => Part::Trailer,
                    size => Part::ChunkData(size),
                };
                Ok(Some(used))
            }
            Part::ChunkData(size) => {
                let Some(data) = rest.get(..size) else { return Ok(None) };
                out.push(data.to_vec());
                self.part = Part::ChunkEnd;
                Ok(Some(size))
            }
            Part::ChunkEnd => {
                let Some((line, used)) = line_of(rest)? else { return Ok(None) };
                if !line.is_empty() {
                    return Err(HttpError::Chunk);
                }
                self.part = Part::ChunkSize;
                Ok(Some(used))
            }
            Part::Trailer => {
                let Some((line, used)) = line_of(rest)? else { return Ok(None) };
                if line.is_empty() {
                    self.part = Part::Done;
                }
                Ok(Some(used))
            }
            Part::Counted(_) | Part::UpToClose | Part::Done => Ok(None),
        }
    }
}

/// The line at the start of `buf` without its end, and how many bytes it takes with it.
fn line_of(buf: &[u8]) -> Result<Option<(&[u8], usize)>, HttpError> {
    match buf.iter().position(|b| *b == b'\n') {
        Some(at) => {
            let line = buf.get(..at).unwrap_or_default();
            Ok(Some((line.strip_suffix(b"\r").unwrap_or(line), at + 1)))
        }
        None if buf.len() > MAX_LINE => Err(HttpError::Chunk),
        None => Ok(None),
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, HttpError> {
    // What follows the semicolon may be in any encoding.
    let text = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let text = std::str::from_utf8(text).map_err(|_| HttpError::Chunk)?;
    // from_str_radix would take a sign.
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(HttpError::Chunk);
    }
    let size = usize::from_str_radix(text, 16).map_err(|_| HttpError::Chunk)?;
    if size > MAX_CHUNK { Err(HttpError::Chunk) } else { Ok(size) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_tells_status_and_framing() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let (head, used) = parse_head(text).unwrap().unwrap();
        assert_eq!((head.status, head.framing, head.close), (200, Framing::Length(5), false));
        assert_eq!(&text[used..], b"hello");
        assert_eq!(parse_head(&text[..20]).unwrap(), None);
    }

    #[test]
    fn chunked_wins_over_a_length_and_close_is_seen() {
        let text = b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
        let (head, _) = parse_head(text).unwrap().unwrap();
        assert_eq!((head.framing, head.close), (Framing::Chunked, true));
    }

    #[test]
    fn what_is_no_http_is_refused() {
        assert!(parse_head(b"SSH-2.0-OpenSSH_9\r\n").is_err());
        assert!(parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").is_err());
    }

    #[test]
    fn a_counted_body_ends_by_itself() {
        let mut body = Body::new(Framing::Length(5));
        assert_eq!(body.feed(b"hel").unwrap(), [b"hel"]);
        assert!(!body.is_done());
        assert_eq!(body.feed(b"lo+more").unwrap(), [b"lo"]);
        assert!(body.is_done());
    }

    #[test]
    fn bad_chunks_are_refused() {
        for bad in [&b"x\r\n"[..], b"+5\r\nhello\r\n", b"ffffffffffffffff\r\n", b"2\r\nabc\r\n"] {
            assert!(Body::new(Framing::Chunked).feed(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn extensions_of_chunks_may_hold_anything() {
        let mut body = Body::new(Framing::Chunked);
        assert_eq!(body.feed(b"2 ;a=\"\xf9\"\r\nok\r\n0\r\n\r\n").unwrap(), [b"ok"]);
        assert!(body.is_done());
    }

    proptest! {
        #[test]
        fn chunks_come_out_whole_however_they_arrive(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            step in 1usize..9,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x};ext\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let mut body = Body::new(Framing::Chunked);
            let mut got = Vec::new();
            for piece in wire.chunks(step) {
                got.extend(body.feed(piece).unwrap());
            }
            prop_assert!(body.is_done());
            prop_assert_eq!(got, chunks);
        }

        #[test]
        fn nothing_makes_the_reader_panic(input in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_head(&input);
            let _ = Body::new(Framing::Chunked).feed(&input);
        }
    }
}

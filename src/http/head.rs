//! Request line and headers: from bytes to a [`Request`], with strict framing. Pure.
//!
//! A request whose end is ambiguous is refused, since a proxy in front might see another end than we
//! do: both length headers, either of them twice, or a coding that we do not know.

use super::limits::Limits;
use super::request::{Framing, Peer, Request, Version, split_target};

/// Why a head is refused: the status of the answer. The connection is closed after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal(pub u16);

/// Where the head in `input` ends, looking only at what lies behind `seen` bytes. The end is found with
/// and without carriage returns, so that a head without them is refused at once and not when time is up.
pub(super) fn end_of_head(input: &[u8], seen: usize) -> Option<usize> {
    let from = seen.saturating_sub(3);
    let rest = input.get(from..)?;
    let ends = |i: usize| match rest.get(i + 1..) {
        Some([b'\n', ..]) => Some(from + i + 2),
        Some([b'\r', b'\n', ..]) => Some(from + i + 3),
        _ => None,
    };
    rest.iter().enumerate().filter(|(_, b)| **b == b'\n').find_map(|(i, _)| ends(i))
}

/// Parses a complete head.
pub(super) fn parse(head: &[u8], peer: Peer, limits: &Limits) -> Result<Request, Refusal> {
    // a proxy in front may take a bare newline for a part of the line
    if head.iter().zip(std::iter::once(&b' ').chain(head)).any(|(b, a)| *b == b'\n' && *a != b'\r')
    {
        return Err(Refusal(400));
    }
    let mut space = vec![httparse::EMPTY_HEADER; limits.headers];
    let mut parsed = httparse::Request::new(&mut space);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Refusal(400)),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal(431)),
        Err(httparse::Error::Version) => return Err(Refusal(version_refusal(head))),
        Err(_) => return Err(Refusal(400)),
    }
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(Refusal(400));
    };
    let version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
    // only what HTTP calls blank: another reader would not see `chunked` in `chunked` and a no-break space
    let text = |v: &[u8]| String::from_utf8_lossy(v).trim_matches([' ', '\t']).to_owned();
    let headers: Vec<(String, String)> =
        parsed.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
    let framing = framing(&headers, version)?;
    if headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("host")).count() > 1 {
        return Err(Refusal(400));
    }
    let (path, query) = split_target(target);
    Ok(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        path,
        query,
        version,
        headers,
        body: Vec::new(),
        peer,
        framing,
    })
}

/// Another version of HTTP is one thing, no version at all (HTTP/0.9, or no HTTP) another.
fn version_refusal(head: &[u8]) -> u16 {
    let line = head.split(|b| *b == b'\n').find(|l| !l.trim_ascii().is_empty()).unwrap_or(b"");
    let last = line.trim_ascii().rsplit(|b| *b == b' ').next().unwrap_or(b"");
    let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
    match last.strip_prefix(b"HTTP/") {
        // blanks in the target make a version of what is none
        Some(b"1.0" | b"1.1") => 400,
        Some(v) if digit(v.first()) && digit(v.last()) => 505,
        _ => 400,
    }
}

fn framing(headers: &[(String, String)], version: Version) -> Result<Framing, Refusal> {
    let values = |name: &str| -> Vec<&str> {
        let same = |n: &String| n.eq_ignore_ascii_case(name);
        headers.iter().filter(|(n, _)| same(n)).map(|(_, v)| v.as_str()).collect()
    };
    match (values("content-length").as_slice(), values("transfer-encoding").as_slice()) {
        ([], []) => Ok(Framing::None),
        ([length], []) => {
            if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
                return Err(Refusal(400));
            }
            // more than 64 bits is a number still, only far beyond what anyone may send
            Ok(Framing::Length(length.parse().unwrap_or(u64::MAX)))
        }
        ([], [coding]) if version == Version::Http11 && coding.eq_ignore_ascii_case("chunked") => {
            Ok(Framing::Chunked)
        }
        _ => Err(Refusal(400)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(head: &str) -> Result<Request, u16> {
        parse(head.as_bytes(), Peer::Unix, &Limits::default()).map_err(|r| r.0)
    }
    fn framed(headers: &str) -> Result<Framing, u16> {
        get(&format!("POST / HTTP/1.1\r\n{headers}\r\n")).map(|r| r.framing)
    }

    #[test]
    fn a_request_is_taken_apart() {
        let r = get("POST /RPC2?a=b HTTP/1.1\r\nHost: x\r\nContent-Length:5\r\nA:  b \r\n\r\n")
            .unwrap();
        assert_eq!(
            (r.method.as_str(), r.path.as_str(), r.query.as_str()),
            ("POST", "/RPC2", "a=b")
        );
        assert_eq!(r.framing, Framing::Length(5));
        assert_eq!(r.header("a"), Some("b"));
        assert_eq!(r.line(), "POST /RPC2?a=b HTTP/1.1");
        assert!(r.keeps_alive());
        assert!(!get("GET / HTTP/1.0\r\n\r\n").unwrap().keeps_alive());
        assert!(get("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap().keeps_alive());
        assert!(!get("GET / HTTP/1.1\r\nConnection: TE, Close\r\n\r\n").unwrap().keeps_alive());
        assert!(get("\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n").is_ok(), "leading empty line");
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        assert_eq!(framed(""), Ok(Framing::None));
        assert_eq!(framed("Transfer-Encoding: CHUNKED\r\n"), Ok(Framing::Chunked));
        let huge = "Content-Length: 99999999999999999999999\r\n";
        assert_eq!(framed(huge), Ok(Framing::Length(u64::MAX)));
        for bad in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length: 1 1\r\n",
            "Content-Length:\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Content-Length : 1\r\n",
            "Content-Length: 1\r\n folded\r\n",
            "Content-Length: 1\u{a0}\r\n",
            "Transfer-Encoding: chunked\u{a0}\r\n",
            "Transfer-Encoding: \u{3000}chunked\r\n",
            "A: b\nTransfer-Encoding: chunked\r\n",
            "A: b\rTransfer-Encoding: chunked\r\n",
            "A: b\n",
            "Host: a\r\nHost: b\r\n",
            "A\x00: b\r\n",
            "A: b\x00\r\n",
            "no colon\r\n",
        ] {
            assert_eq!(framed(bad), Err(400), "{bad}");
        }
        assert_eq!(get("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(400));
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for (head, status) in [
            ("junk\r\n\r\n", 400),
            ("GET /nothing\r\n\r\n", 400),
            ("GET / HTTP/1.1\n\n", 400),
            ("GET / HTTP/1.1\r\nA: b\n\r\n", 400),
            ("GET /a\0b HTTP/1.1\r\n\r\n", 400),
            ("GET /a b HTTP/1.1\r\n\r\n", 400),
            ("get / http/1.1\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\n\r\n", 505),
            ("\x16\x03\x01\r\n\r\n", 400),
        ] {
            assert_eq!(get(head), Err(status), "{head:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65));
        assert_eq!(get(&many), Err(431));
    }

    #[test]
    fn the_end_is_found_wherever_the_pieces_are_cut() {
        for text in ["GET / HTTP/1.1\r\nA: b\r\n\r\nrest", "GET / HTTP/1.1\nA: b\n\nrest"] {
            let want = text.find("rest").unwrap();
            let all = text.as_bytes();
            for cut in 0..all.len() {
                let first = end_of_head(&all[..cut], 0);
                assert_eq!(first, (cut >= want).then_some(want), "{cut}");
                assert_eq!(first.or_else(|| end_of_head(all, cut)), Some(want), "{cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_heads_do_not_panic(head in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = end_of_head(&head, head.len() / 2);
            let _ = parse(&head, Peer::Unix, &Limits::default());
        }

        #[test]
        fn header_soup_does_not_panic(text in "(GET|POST) [/a-z%;?#:]{1,20} HTTP/1.[01]\r\n([A-Za-z-]{1,9}: [ -~]{0,9}\r\n){0,5}\r\n") {
            let _ = parse(text.as_bytes(), Peer::Unix, &Limits::default());
        }
    }
}

//! Keeps web sites that a user of this machine visits away from the server on TCP. Pure.
//!
//! A browser can be made to post to any address, and by DNS rebinding to read the answers too. So a
//! POST from a foreign origin is refused, and without a password browsers must name a host that can
//! only be us. Clients that are no browsers send no `Origin` and use `/RPC2` under any name. The Unix
//! socket is out of a browser's reach: there everything goes (exporters send `Host: unix`).

use std::net::IpAddr;

use super::request::{Peer, Request};

/// What a server on TCP knows about itself.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// Host names, in lower case, that can only mean this server.
    pub names: Vec<String>,
    /// A password is asked for: a site cannot know it, and browsers do not send it under another name.
    pub password: bool,
}

impl Guard {
    /// Whether the request may go on.
    pub fn admits(&self, request: &Request) -> bool {
        if request.peer == Peer::Unix {
            return true;
        }
        let host = request.header("host").map(str::to_ascii_lowercase);
        let origin = request.header("origin");
        if request.method == "POST" && origin.is_some_and(|o| !same_site(o, host.as_deref())) {
            return false;
        }
        let needs_name = origin.is_some() || !request.path.starts_with("/RPC2");
        // no Host at all: HTTP/1.0 or a hand-made request, never a browser
        self.password || !needs_name || host.is_none_or(|h| self.knows(&h))
    }

    fn knows(&self, host: &str) -> bool {
        let name = without_port(host);
        // a site can make its own name lead here, but not a bare address
        name == "localhost"
            || name.ends_with(".localhost")
            || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || self.names.iter().any(|n| n == name)
    }
}

/// Whether an origin such as `http://host:port` is the server that `Host` names.
fn same_site(origin: &str, host: Option<&str>) -> bool {
    let origin = origin.to_ascii_lowercase();
    match (origin.split_once("://"), host) {
        (Some((scheme, site)), Some(host)) => {
            let port = if scheme == "https" { ":443" } else { ":80" };
            site.trim_end_matches(port) == host.trim_end_matches(port)
        }
        _ => false,
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::parse;
    use crate::http::limits::Limits;

    fn admits(password: bool, peer: Peer, head: &str) -> bool {
        let guard = Guard { names: vec!["box.example".into()], password };
        let text = format!("{head}\r\n");
        guard.admits(&parse(text.as_bytes(), peer, &Limits::default()).unwrap())
    }
    fn inet() -> Peer {
        Peer::Inet("127.0.0.1:1".parse().unwrap())
    }

    #[test]
    fn pages_without_a_password_need_a_known_host() {
        for (host, fine) in [
            ("localhost", true),
            ("LOCALHOST:9001", true),
            ("127.0.0.1:9001", true),
            ("10.1.2.3", true),
            ("[::1]:9001", true),
            ("Box.Example:9001", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n");
            assert_eq!(admits(false, inet(), &head), fine, "{host}");
            assert!(admits(true, inet(), &head));
            assert!(admits(false, Peer::Unix, &head));
        }
        assert!(admits(false, inet(), "GET / HTTP/1.1\r\n"));
    }

    #[test]
    fn rpc_clients_that_are_no_browsers_use_any_host() {
        assert!(admits(false, inet(), "POST /RPC2 HTTP/1.1\r\nHost: anything\r\n"));
        let browser =
            "POST /RPC2 HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n";
        assert!(!admits(false, inet(), browser));
    }

    #[test]
    fn posts_from_a_foreign_origin_are_refused() {
        for (origin, fine) in [
            ("http://localhost:9001", true),
            ("HTTP://LOCALHOST:9001", true),
            ("http://evil.example", false),
            ("http://localhost:8000", false),
            ("null", false),
            ("", false),
        ] {
            let head = format!("POST /x HTTP/1.1\r\nHost: localhost:9001\r\nOrigin: {origin}\r\n");
            assert_eq!(admits(true, inet(), &head), fine, "{origin}");
            assert_eq!(admits(false, inet(), &head), fine, "{origin}");
            assert!(admits(false, Peer::Unix, &head));
        }
    }
}

//! Which requests may be answered at all, and which may change something.
//!
//! A browser sends requests for any page it shows, with the passwords it knows, and to any address
//! that a name resolves to. So, for TCP:
//!
//! - what changes something takes a POST, unless `get_actions=true`: links can stand anywhere;
//! - a POST that says it comes from another site is refused: forms can stand anywhere, too;
//! - where no password is asked for, the `Host` must be a name of ours: otherwise a page at
//!   `http://evil.example:9001`, whose name is made to resolve to us, could read and do all that we
//!   offer (DNS rebinding). Browsers always send the name they were told to go to.
//!
//! Clients that are no browsers send no `Origin` to `/RPC2` and may use any `Host`. Who may open
//! the Unix socket may do everything with any `Host`; no browser can.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::render::{self, Notice};
use super::{PageRequest, PageResponse, Via};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// One of the pages.
    Page,
    /// A log that is followed: `/logtail`, `/mainlogtail`.
    Log,
    /// XML-RPC.
    Rpc,
    /// What everyone may see: files of the pages, and that the server is there.
    Open,
}

impl Purpose {
    /// Of a decoded path.
    pub fn of(path: &str) -> Purpose {
        if path.starts_with("/RPC2") {
            return Purpose::Rpc;
        }
        if path.starts_with("/logtail") || path.starts_with("/mainlogtail") {
            return Purpose::Log;
        }
        // load balancers ask for ok.html under any name
        match path.trim_start_matches('/') {
            "ok.html" => Purpose::Open,
            name if name.starts_with("stylesheets/")
                || name.starts_with("scripts/")
                || name.starts_with("images/") =>
            {
                Purpose::Open
            }
            _ => Purpose::Page,
        }
    }
}

/// Whether a request may change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// It may.
    Given,
    /// Only once a form is sent for it.
    ByForm,
    /// It comes from another site.
    Denied,
}

/// The answer to a request that must not be served, which says why and what to set. None: go on.
///
/// Holds for pages, followed logs and XML-RPC; to be asked after the password, before any work.
pub fn refusal(req: &PageRequest<'_>, purpose: Purpose) -> Option<PageResponse> {
    let Via::Tcp { bound, has_password, allowed_hosts, .. } = req.via else { return None };
    if purpose == Purpose::Open {
        return None;
    }
    let by_browser = purpose != Purpose::Rpc || req.origin.is_some();
    if by_browser && !has_password && !is_known_host(req, bound, allowed_hosts, &machine()) {
        return Some(unknown_host(req.host.unwrap_or("")));
    }
    let writes = purpose == Purpose::Rpc || !matches!(req.method, "GET" | "HEAD");
    (writes && is_foreign(req, allowed_hosts, purpose)).then(|| foreign_page(req))
}

/// Whether a request, not refused as a page, may change something.
pub(super) fn leave(req: &PageRequest<'_>) -> Leave {
    match req.via {
        Via::Unix => Leave::Given,
        Via::Tcp { allowed_hosts, .. } if is_foreign(req, allowed_hosts, Purpose::Page) => {
            Leave::Denied
        }
        Via::Tcp { get_actions, .. } if get_actions || req.method == "POST" => Leave::Given,
        Via::Tcp { .. } => Leave::ByForm,
    }
}

/// Whether the request says that a page of another site sent it. A form of an old browser may say so
/// by its Referer only.
fn is_foreign(req: &PageRequest<'_>, allowed: &[String], purpose: Purpose) -> bool {
    let by_form = purpose == Purpose::Page && req.method == "POST";
    let Some(from) = req.origin.or(req.referer.filter(|_| by_form)) else { return false };
    // "null" is what pages without an origin of their own say, such as those in sandboxes
    let Some(site) = Site::of_address(from) else { return true };
    let own = req
        .host
        .and_then(Site::of_host)
        .is_some_and(|host| host.name == site.name && host.port.or(site.default_port) == site.port);
    !own && !site.is_among(allowed)
}

fn is_known_host(req: &PageRequest<'_>, bound: &str, allowed: &[String], machine: &str) -> bool {
    // no browser leaves it out; HTTP/1.0 clients do
    let Some(host) = req.host else { return req.origin.is_none() };
    if allowed.iter().any(|entry| entry == "*") {
        return true;
    }
    let Some(site) = Site::of_host(host) else { return false };
    let name = site.name.as_str();
    let short = machine.split('.').next().unwrap_or("");
    site.is_address()
        || name == "localhost"
        || name.ends_with(".localhost")
        || [bound, machine, short].iter().any(|n| !n.is_empty() && n.eq_ignore_ascii_case(name))
        || site.is_among(allowed)
}

/// The machine's name; empty when it has none.
fn machine() -> String {
    nix::unistd::gethostname().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Name and port of a server.
#[derive(Debug, PartialEq, Eq)]
struct Site {
    /// In lower case, without brackets and final dot.
    name: String,
    /// As given; for an address the default of its scheme stands in.
    port: Option<u16>,
    /// Of the scheme, when there was one.
    default_port: Option<u16>,
}

impl Site {
    /// Of a `Host` header or an entry of `allowed_hosts=`.
    fn of_host(host: &str) -> Option<Site> {
        let host = host.trim();
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => host.split_at(host.rfind(':').unwrap_or(host.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None,
            Some(digits) => Some(digits.parse().ok()?),
            None => return None,
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_plain = !name.is_empty() && !name.contains(['/', '@', '[', ']', ' ', '?', '#']);
        is_plain.then_some(Site { name, port, default_port: None })
    }

    /// Of an `Origin` or `Referer`.
    fn of_address(address: &str) -> Option<Site> {
        let (scheme, rest) = address.trim().split_once("://")?;
        let default_port = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => return None,
        };
        let host = rest.split(['/', '?', '#']).next()?;
        let site = Site::of_host(host)?;
        Some(Site { port: site.port.or(default_port), default_port, ..site })
    }

    fn is_address(&self) -> bool {
        self.name.parse::<Ipv4Addr>().is_ok() || self.name.parse::<Ipv6Addr>().is_ok()
    }

    fn is_among(&self, allowed: &[String]) -> bool {
        allowed.iter().filter_map(|entry| Site::of_host(entry)).any(|entry| {
            entry.name == self.name && (entry.port.is_none() || entry.port == self.port)
        })
    }
}

/// For a request that another site's page sent.
pub(super) fn foreign_page(req: &PageRequest<'_>) -> PageResponse {
    let from = req.origin.or(req.referer).unwrap_or("");
    let what = format!(
        "This request was sent by a page of another site ({from:?}) and could change something."
    );
    let remedy = "If that site is yours, or a proxy's name for this one, list its name in \
                  allowed_hosts= in [inet_http_server]."
        .to_owned();
    render::notice(403, &Notice { title: "Nothing was done", what, remedy })
}

fn unknown_host(host: &str) -> PageResponse {
    let what = format!(
        "This server asks for no password, so it answers browsers under names it knows only, and \
         {host:?} is none of them: a site from elsewhere may be using that name to get at it."
    );
    let remedy = "Known are IP addresses, localhost, the name it listens on and the machine's own. \
                  Others are to be listed in allowed_hosts= in [inet_http_server]; or set username= \
                  and password= there."
        .to_owned();
    render::notice(403, &Notice { title: "Unknown host name", what, remedy })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{get, tcp};
    use super::*;

    fn from<'a>(method: &'a str, host: &'a str, origin: Option<&'a str>) -> PageRequest<'a> {
        PageRequest { method, host: Some(host), origin, ..get("/", "") }
    }

    fn open(allowed: &[String]) -> Via<'_> {
        Via::Tcp {
            bound: "box.lan",
            has_password: false,
            get_actions: false,
            allowed_hosts: allowed,
        }
    }

    #[test]
    fn hosts_are_known_or_not() {
        let allowed = ["sup.example".to_owned(), "other.example:8080".to_owned()];
        for (host, known) in [
            ("localhost", true),
            ("LOCALHOST:9001", true),
            ("localhost.", true),
            ("sup.localhost:9001", true),
            ("127.0.0.1:9001", true),
            ("10.1.2.3", true),
            ("[::1]:9001", true),
            ("[::1]", true),
            ("box.lan:9001", true),
            ("Web1.Corp.Example", true),
            ("web1:9001", true),
            ("sup.example:1", true),
            ("other.example:8080", true),
            ("other.example", false),
            ("other.example:81", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("web1.evil.example", false),
            ("corp.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost@evil.example", false),
            ("evil.example/localhost", false),
            ("[::1", false),
            ("[::1]x", false),
            ("localhost:x", false),
            ("", false),
            (":9001", false),
        ] {
            let req = from("GET", host, None);
            let found = is_known_host(&req, "box.lan", &allowed, "web1.corp.example");
            assert_eq!(found, known, "{host}");
        }
    }

    #[test]
    fn nameless_machines_and_listeners_make_no_name_known() {
        assert!(!is_known_host(&from("GET", ".", None), "", &[], ""));
        assert!(!is_known_host(&from("GET", "x", None), "", &[], ""));
        assert!(is_known_host(&from("GET", "x", None), "", &["*".to_owned()], ""));
    }

    #[test]
    fn without_a_host_header_it_is_no_browser() {
        let req = PageRequest { host: None, ..from("GET", "", None) };
        assert!(is_known_host(&req, "", &[], ""));
        let req = PageRequest { origin: Some("http://a"), ..req };
        assert!(!is_known_host(&req, "", &[], ""));
    }

    #[test]
    fn origins_are_foreign_or_not() {
        let allowed = ["sup.example".to_owned(), "*".to_owned()];
        for (host, origin, foreign) in [
            ("h:9001", None, false),
            ("h:9001", Some("http://h:9001"), false),
            ("H:9001", Some("http://h:9001"), false),
            ("h", Some("http://h"), false),
            ("h", Some("http://h:80"), false),
            ("h:80", Some("http://h"), false),
            ("h", Some("https://h"), false),
            ("[::1]:9001", Some("http://[::1]:9001"), false),
            ("127.0.0.1:9001", Some("https://sup.example"), false),
            ("h:9001", Some("http://h:9002"), true),
            ("h:9001", Some("http://h"), true),
            ("h:9001", Some("http://evil"), true),
            ("h:9001", Some("http://h:9001.evil"), true),
            ("h", Some("http://evil/h"), true),
            ("h", Some("http://h@evil"), true),
            ("h", Some("null"), true),
            ("h", Some(""), true),
            ("h", Some("file://h"), true),
            ("h", Some("chrome-extension://h"), true),
        ] {
            let req = from("POST", host, origin);
            assert_eq!(is_foreign(&req, &allowed, Purpose::Page), foreign, "{host} {origin:?}");
        }
    }

    #[test]
    fn a_form_without_origin_is_judged_by_its_referer() {
        let req = |method, referer| PageRequest { referer, ..from(method, "h:1", None) };
        assert!(is_foreign(&req("POST", Some("http://evil/x")), &[], Purpose::Page));
        assert!(!is_foreign(&req("POST", Some("http://h:1/x?y")), &[], Purpose::Page));
        assert!(!is_foreign(&req("GET", Some("http://evil/x")), &[], Purpose::Page));
        assert!(!is_foreign(&req("POST", Some("http://evil/x")), &[], Purpose::Rpc));
    }

    #[test]
    fn paths_tell_the_purpose() {
        for (path, purpose) in [
            ("/", Purpose::Page),
            ("/index.html", Purpose::Page),
            ("/tail.html", Purpose::Page),
            ("/anything", Purpose::Page),
            ("/RPC2", Purpose::Rpc),
            ("/RPC2/x", Purpose::Rpc),
            ("/logtail/x", Purpose::Log),
            ("/mainlogtail", Purpose::Log),
            ("//ok.html", Purpose::Open),
            ("/images/icon.png", Purpose::Open),
            ("/stylesheets/supervisor.css", Purpose::Open),
        ] {
            assert_eq!(Purpose::of(path), purpose, "{path}");
        }
    }

    #[test]
    fn the_table_of_refusals() {
        use Purpose::{Log, Open, Page, Rpc};
        let (good, evil) = (Some("http://localhost"), Some("http://evil"));
        for (password, purpose, method, host, origin, refused) in [
            (false, Page, "GET", "localhost", None, false),
            (false, Page, "GET", "evil", None, true),
            (false, Page, "POST", "localhost", None, false),
            (false, Page, "POST", "localhost", good, false),
            (false, Page, "POST", "localhost", evil, true),
            (false, Page, "POST", "evil", evil, true),
            (false, Page, "GET", "localhost", evil, false),
            (false, Open, "GET", "evil", evil, false),
            (false, Log, "GET", "evil", None, true),
            (false, Log, "GET", "localhost", None, false),
            (false, Rpc, "POST", "evil", None, false),
            (false, Rpc, "POST", "unix", None, false),
            (false, Rpc, "POST", "evil", evil, true),
            (false, Rpc, "POST", "localhost", evil, true),
            (false, Rpc, "POST", "localhost", good, false),
            (true, Page, "GET", "evil", None, false),
            (true, Page, "POST", "evil", evil, false),
            (true, Page, "POST", "localhost", evil, true),
            (true, Log, "GET", "evil", None, false),
            (true, Rpc, "POST", "localhost", evil, true),
            (true, Rpc, "POST", "anything", None, false),
        ] {
            let mut req = from(method, host, origin);
            req.via = tcp(password, false);
            let answer = refusal(&req, purpose);
            let case = (password, purpose, method, host, origin);
            assert_eq!(answer.is_some(), refused, "{case:?}");
            assert!(answer.is_none_or(|a| a.status == 403), "{case:?}");
            req.via = Via::Unix;
            assert_eq!(refusal(&req, purpose), None, "unix {case:?}");
        }
    }

    #[test]
    fn changes_take_a_form_over_tcp_unless_links_are_switched_on() {
        let (own, evil) = (Some("http://h"), Some("http://evil"));
        for (get_actions, method, origin, expected) in [
            (false, "GET", None, Leave::ByForm),
            (false, "GET", own, Leave::ByForm),
            (false, "GET", evil, Leave::Denied),
            (false, "POST", None, Leave::Given),
            (false, "POST", own, Leave::Given),
            (false, "POST", evil, Leave::Denied),
            (true, "GET", None, Leave::Given),
            (true, "GET", evil, Leave::Denied),
            (true, "POST", evil, Leave::Denied),
        ] {
            let mut req = from(method, "h", origin);
            req.via = tcp(true, get_actions);
            assert_eq!(leave(&req), expected, "{get_actions} {method} {origin:?}");
            req.via = Via::Unix;
            assert_eq!(leave(&req), Leave::Given, "unix {method} {origin:?}");
        }
    }

    #[test]
    fn refusals_say_what_to_set_and_escape_what_they_quote() {
        let mut req = from("GET", "<script>", None);
        req.via = open(&[]);
        let page = String::from_utf8(refusal(&req, Purpose::Page).unwrap().body).unwrap();
        assert!(page.contains("allowed_hosts=") && page.contains("&lt;script&gt;"), "{page}");
        assert!(!page.contains("<script>"), "{page}");
    }
}

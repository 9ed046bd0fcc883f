//! Text that goes to browsers: what escapes it, the frame of a page, and the headers around it.
//! Pure.
//!
//! [`Html`] takes literals as they are and nothing else: whatever comes from a process, a log, the
//! configuration or a request has no other way in than [`Html::text`] and [`Html::quoted`].

use super::{PageRequest, PageResponse, assets};

/// A page being written.
pub(super) struct Html(String);

impl Html {
    /// The beginning of a page, up to the inside of its body. `room` is how many bytes it may take.
    pub fn page(title: &str, room: usize) -> Html {
        let mut html = Html(String::with_capacity(room + 4096));
        html.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>");
        html.text(title);
        html.raw(
            "</title>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <link rel=\"stylesheet\" href=\"stylesheets/supervisor.css?v=",
        );
        html.text(&assets::STYLE_MARK.to_string());
        html.raw(
            "\">\n<link rel=\"icon\" type=\"image/png\" href=\"images/icon.png\">\n\
             <script defer src=\"scripts/supervisor.js?v=",
        );
        html.text(&assets::SCRIPT_MARK.to_string());
        html.raw("\"></script>\n</head>\n<body>\n");
        html
    }

    /// Markup of our own.
    pub fn raw(&mut self, markup: &'static str) -> &mut Html {
        self.0.push_str(markup);
        self
    }

    /// Any text, also inside quotes of an attribute.
    pub fn text(&mut self, text: &str) -> &mut Html {
        let mut rest = text;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            let (before, from) = rest.split_at(at);
            self.0.push_str(before);
            self.0.push_str(match from.as_bytes().first() {
                Some(b'&') => "&amp;",
                Some(b'<') => "&lt;",
                Some(b'>') => "&gt;",
                Some(b'"') => "&quot;",
                _ => "&#39;",
            });
            // all five are one byte long
            rest = from.get(1..).unwrap_or("");
        }
        self.0.push_str(rest);
        self
    }

    /// Any text as part of an address.
    pub fn quoted(&mut self, text: &str) -> &mut Html {
        quote(text, &mut self.0);
        self
    }

    /// A number.
    pub fn number(&mut self, number: usize) -> &mut Html {
        self.0.push_str(&number.to_string());
        self
    }

    /// Ends the page.
    pub fn respond(mut self, status: u16) -> PageResponse {
        self.raw("<footer>supervisord ")
            .text(env!("CARGO_PKG_VERSION"))
            .raw("</footer>\n</body>\n</html>\n");
        let mut headers = vec![
            header("Content-Security-Policy", POLICY),
            header("X-Frame-Options", "DENY"),
            // "no-referrer" would make browsers send our own forms with "Origin: null"
            header("Referrer-Policy", "same-origin"),
            header("X-Content-Type-Options", "nosniff"),
        ];
        headers.extend(uncached());
        let body = self.0.into_bytes();
        PageResponse { status, headers, body, content_type: "text/html;charset=utf-8" }
    }
}

/// Nothing but our own style, script and pictures, nothing inside the markup, forms to ourselves, and never inside another page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Percent-encodes as Python's `quote` does: letters, digits and `_.-~/` stay.
pub(super) fn quote(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |n: u8| char::from(HEX.get(usize::from(n)).copied().unwrap_or(b'0'));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// A header.
pub(super) fn header(name: &'static str, value: &str) -> (&'static str, String) {
    (name, value.to_owned())
}

/// What the reference says against caching, and what keeps its 301 from being remembered.
fn uncached() -> [(&'static str, String); 3] {
    [
        header("Pragma", "no-cache"),
        header("Cache-Control", "no-cache"),
        header("Expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ]
}

/// A text without markup.
pub(super) fn plain(body: Vec<u8>) -> PageResponse {
    let headers = vec![header("X-Content-Type-Options", "nosniff")];
    PageResponse { status: 200, headers, body, content_type: "text/plain" }
}

/// Sends the browser to the status page, which shows the message.
pub(super) fn redirect(req: &PageRequest<'_>, message: &str) -> PageResponse {
    let mut path = "/?message=".to_owned();
    quote(message, &mut path);
    let mut answer = moved(&base(req.host, [req.origin, req.referer]), &path);
    answer.headers.extend(uncached());
    answer
}

/// An answer that points to `base` and `path`, both of them safe in a header.
pub(super) fn moved(base: &str, path: &str) -> PageResponse {
    // clients know the 301 of the reference by its status and Location; its page says as little
    let body = b"<!doctype html>\n<title>Moved</title>\n<p>Moved.\n".to_vec();
    let headers = vec![("Location", format!("{base}{path}"))];
    PageResponse { status: 301, headers, body, content_type: "text/html" }
}

/// `http://HOST` as in the reference, without `:80`; https when the browser says that it came by
/// it. Empty when the request names no host, or something that is no host.
pub(super) fn base(host: Option<&str>, from: [Option<&str>; 2]) -> String {
    let Some(host) = host.map(str::trim).filter(|h| is_authority(h)) else {
        return String::new();
    };
    let secure = from.into_iter().flatten().any(|address| {
        let rest = address.strip_prefix("https://").and_then(|rest| rest.strip_prefix(host));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let (scheme, default) = if secure { ("https", "443") } else { ("http", "80") };
    let shown = match host.rsplit_once(':') {
        Some((name, port)) if port == default || port.is_empty() => name,
        _ => host,
    };
    format!("{scheme}://{shown}")
}

fn is_authority(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
}

/// A short page that explains why something was not done.
pub(super) struct Notice {
    /// Title and heading.
    pub title: &'static str,
    /// What was wrong; holds text from outside.
    pub what: String,
    /// What can be done about it; holds text from outside.
    pub remedy: String,
}

impl Notice {
    /// For a process that is none.
    pub fn unknown_process(name: &str) -> Notice {
        Notice {
            title: "No such process",
            what: format!("There is no process named {name:?}."),
            remedy: "It may have been removed since the page with the link was made.".to_owned(),
        }
    }

    /// For an action that is none.
    pub fn unknown_action(action: &str) -> Notice {
        Notice {
            title: "Nothing was done",
            what: format!("There is no action named {action:?}, or it needs a process."),
            remedy: "The actions are refresh, restartall and stopall, and with a processname \
                     start, stop, restart and clearlog."
                .to_owned(),
        }
    }
}

/// Renders a notice.
pub(super) fn notice(status: u16, notice: &Notice) -> PageResponse {
    let mut html = Html::page(&format!("Supervisor: {}", notice.title), notice.what.len() * 2);
    html.raw("<main class=\"notice\">\n<h1>").text(notice.title).raw("</h1>\n<p>");
    html.text(&notice.what).raw("</p>\n<p>").text(&notice.remedy);
    html.raw("</p>\n<p><a class=\"button\" href=\"index.html\">All processes</a></p>\n</main>\n");
    html.respond(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        let mut out = String::new();
        quote(text, &mut out);
        out
    }

    fn escaped(text: &str) -> String {
        let mut html = Html(String::new());
        html.text(text);
        html.0
    }

    #[test]
    fn markup_in_texts_is_escaped() {
        assert_eq!(escaped(""), "");
        assert_eq!(escaped("plain é"), "plain é");
        assert_eq!(
            escaped("<script>alert('1')</script> & \"é\""),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;é&quot;"
        );
        assert_eq!(escaped("&amp;"), "&amp;amp;");
        assert_eq!(escaped("<<"), "&lt;&lt;");
    }

    #[test]
    fn addresses_are_quoted_as_python_does() {
        assert_eq!(quoted("grp:w"), "grp%3Aw");
        assert_eq!(quoted("x&y<z"), "x%26y%3Cz");
        assert_eq!(quoted("été"), "%C3%A9t%C3%A9");
        assert_eq!(quoted("a/b_c.d-e~f g*"), "a/b_c.d-e~f%20g%2A");
        assert_eq!(quoted("\"'\r\n"), "%22%27%0D%0A");
    }

    #[test]
    fn redirects_go_where_the_request_came_from() {
        for (host, expected) in [
            (Some("localhost"), "http://localhost"),
            (Some("EXAMPLE:80"), "http://EXAMPLE"),
            (Some("h:8080"), "http://h:8080"),
            (Some("h:443"), "http://h:443"),
            (Some("h:"), "http://h"),
            (Some("[::1]"), "http://[::1]"),
            (Some("[::1]:80"), "http://[::1]"),
            (Some(" h "), "http://h"),
            (Some(""), ""),
            (Some("a/b"), ""),
            (Some("user@evil"), ""),
            (Some("h\r\nX: y"), ""),
            (None, ""),
        ] {
            assert_eq!(base(host, [None, None]), expected, "{host:?}");
        }
    }

    #[test]
    fn redirects_stay_on_https_behind_a_proxy() {
        let host = Some("h:8443");
        assert_eq!(base(host, [Some("https://h:8443"), None]), "https://h:8443");
        assert_eq!(base(Some("h"), [None, Some("https://h/index.html")]), "https://h");
        assert_eq!(base(Some("h:443"), [Some("https://h:443"), None]), "https://h");
        assert_eq!(base(Some("h"), [Some("https://h.evil"), None]), "http://h");
        assert_eq!(base(Some("h"), [Some("http://h"), None]), "http://h");
    }
}

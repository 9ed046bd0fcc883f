//! Fields of queries and forms, read as Supervisor 4.3.0 reads them. Pure.

use super::PageRequest;

/// The fields that the pages know. Empty ones count as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// `PROCESS` or `GROUP:PROCESS`.
    pub processname: Option<String>,
    /// What to do.
    pub action: Option<String>,
    /// What to show above the table.
    pub message: Option<String>,
    /// Bytes of a log to show.
    pub limit: Option<String>,
    /// `stderr`: that log instead of stdout's.
    pub channel: Option<String>,
    /// A group, for an action with all its members.
    pub group: Option<String>,
    /// Only processes whose names hold this.
    pub filter: Option<String>,
    /// Only processes in this state.
    pub state: Option<String>,
    /// Answer an action with its message alone: the page is there already.
    pub quiet: Option<String>,
}

impl Form {
    /// The fields of a request. In the query the first of several counts; a form wins over the
    /// query, and in it the last counts.
    pub fn of(req: &PageRequest<'_>) -> Form {
        let mut form = Form::default();
        for (name, value) in fields(req.query) {
            if let Some(field) = form.field(&name)
                && field.is_none()
            {
                *field = Some(value);
            }
        }
        if req.method == "POST" {
            for (name, value) in fields(&String::from_utf8_lossy(req.body)) {
                if let Some(field) = form.field(&name) {
                    *field = Some(value);
                }
            }
        }
        form
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "processname" => Some(&mut self.processname),
            "action" => Some(&mut self.action),
            "message" => Some(&mut self.message),
            "limit" => Some(&mut self.limit),
            "channel" => Some(&mut self.channel),
            "group" => Some(&mut self.group),
            "filter" => Some(&mut self.filter),
            "state" => Some(&mut self.state),
            "quiet" => Some(&mut self.quiet),
            _ => None,
        }
    }
}

/// Decoded names and values that are not empty.
pub fn fields(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (decode(name), decode(value)))
}

/// Undoes the encoding of form fields; what is no valid escape stays, what is no UTF-8 is replaced.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [a, b, tail @ ..]) => match (hex(*a), hex(*b)) {
                (Some(a), Some(b)) => {
                    out.push(a << 4 | b);
                    rest = tail;
                }
                _ => out.push(b'%'),
            },
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::super::testing::get;
    use super::*;

    fn message(query: &str, body: Option<&str>) -> Option<String> {
        let mut req = get("/", query);
        if let Some(body) = body {
            req.method = "POST";
            req.body = body.as_bytes();
        }
        Form::of(&req).message
    }

    #[test]
    fn values_are_decoded() {
        for (query, value) in [
            ("message=hello", Some("hello")),
            ("message=a%20b%2Bc", Some("a b+c")),
            ("message=a+b", Some("a b")),
            ("message=%C3%A9t%c3%a9", Some("été")),
            ("message=%ff", Some("\u{fffd}")),
            ("message=100%", Some("100%")),
            ("message=%zz%4", Some("%zz%4")),
            ("message=a=b", Some("a=b")),
            ("m%65ssage=x", Some("x")),
            ("message=a;b", Some("a;b")),
            ("message", None),
            ("message=", None),
            ("other=x", None),
            ("", None),
            ("&&=&=x&message=x&", Some("x")),
        ] {
            assert_eq!(message(query, None).as_deref(), value, "{query}");
        }
    }

    #[test]
    fn the_first_of_a_query_and_the_last_of_a_form_count() {
        assert_eq!(message("message=one&message=two", None).as_deref(), Some("one"));
        assert_eq!(message("message=&message=two", None).as_deref(), Some("two"));
        let both = Some("message=three&message=four&message=");
        assert_eq!(message("message=one", both).as_deref(), Some("four"));
        assert_eq!(message("message=one", Some("message=")).as_deref(), Some("one"));
    }

    #[test]
    fn a_body_counts_for_post_only() {
        let mut req = get("/", "");
        req.body = b"action=stopall";
        assert_eq!(Form::of(&req), Form::default());
    }
}

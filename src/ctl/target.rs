//! Where the daemon is: the server URL, where it was found, and the credentials. Pure.

use std::fmt;
use std::path::PathBuf;

use super::error::CtlError;

/// Where the server URL was found; error messages tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `-s`
    Option,
    /// `[supervisorctl]` of this file.
    File(PathBuf),
    /// No file and no option.
    Default,
    /// The command `open`.
    Open,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Option => write!(f, "given with -s"),
            Origin::File(path) => write!(f, "from {}", path.display()),
            Origin::Default => write!(f, "the default, no configuration file was found"),
            Origin::Open => write!(f, "opened by hand"),
        }
    }
}

/// The daemon to talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The server URL, as written.
    pub url: String,
    /// Where that was found.
    pub origin: Origin,
    /// User name for basic authentication.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.url, self.origin)
    }
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// Host name or address, without brackets.
        host: String,
        /// Port, 80 by default.
        port: u16,
    },
}

impl Endpoint {
    /// Reads a server URL. Path, query and credentials inside an `http` URL are ignored, as the
    /// reference does.
    ///
    /// # Errors
    /// Another scheme, or a port that is no port.
    pub fn parse(url: &str) -> Result<Endpoint, CtlError> {
        if let Some(path) = url.strip_prefix("unix://") {
            return Ok(Endpoint::Unix(PathBuf::from(path)));
        }
        let rest = url.strip_prefix("http://").ok_or_else(|| CtlError::Scheme(url.to_owned()))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        let authority = authority.rsplit('@').next().unwrap_or("");
        let bad = |why: &str| CtlError::Url { url: url.to_owned(), why: why.to_owned() };
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, after) =
                    v6.split_once(']').ok_or_else(|| bad("a bracket is not closed"))?;
                match after.strip_prefix(':') {
                    Some(port) => (host, port),
                    None if after.is_empty() => (host, ""),
                    None => return Err(bad("only a port may follow the brackets")),
                }
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let port = match port {
            "" => 80,
            text => text.parse().map_err(|_| bad("the port must be 0 to 65535"))?,
        };
        if host.is_empty() {
            return Err(bad("it names no host"));
        }
        if host.contains(['[', ']']) {
            return Err(bad("the host has a stray bracket"));
        }
        Ok(Endpoint::Tcp { host: host.to_owned(), port })
    }

    /// What goes into the `Host` header.
    pub fn host_header(&self) -> String {
        match self {
            Endpoint::Unix(_) => "localhost".to_owned(),
            Endpoint::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Endpoint::Tcp { host, port } => format!("{host}:{port}"),
        }
    }
}

/// The scheme of a URL, in lower case, when it has one as Python's `urlparse` sees it.
pub fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    let mut chars = scheme.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
    let legal = chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (starts && legal).then(|| scheme.to_ascii_lowercase())
}

/// Whether a text is a URL for `-s`: a scheme, and a host or path behind it.
pub fn is_url(text: &str) -> bool {
    if scheme(text).is_none() {
        return false;
    }
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    !rest.split(['?', '#', ';']).next().unwrap_or("").is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(url: &str) -> (String, u16) {
        match Endpoint::parse(url).unwrap() {
            Endpoint::Tcp { host, port } => (host, port),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn urls_give_hosts_and_ports() {
        assert_eq!(tcp("http://localhost:9001"), ("localhost".into(), 9001));
        assert_eq!(tcp("http://h"), ("h".into(), 80));
        assert_eq!(tcp("http://u:p@h:1/x?y"), ("h".into(), 1));
        assert_eq!(tcp("http://[::1]:9001/"), ("::1".into(), 9001));
        assert_eq!(Endpoint::parse("unix:///a/b").unwrap(), Endpoint::Unix("/a/b".into()));
    }

    #[test]
    fn other_schemes_and_bad_ports_are_refused() {
        assert!(matches!(Endpoint::parse("ftp://x/"), Err(CtlError::Scheme(_))));
        assert!(matches!(Endpoint::parse("http://x:99999"), Err(CtlError::Url { .. })));
        assert!(matches!(Endpoint::parse("http://"), Err(CtlError::Url { .. })));
        assert!(matches!(Endpoint::parse("http://[::1"), Err(CtlError::Url { .. })));
        for bad in ["http://[::1]9001", "http://[[]:1", "http://a]:1"] {
            assert!(matches!(Endpoint::parse(bad), Err(CtlError::Url { .. })), "{bad}");
        }
    }

    #[test]
    fn a_url_needs_a_scheme_and_something_behind_it() {
        for good in ["http://x", "unix:///s", "ftp://127.0.0.1/", "a:b"] {
            assert!(is_url(good), "{good}");
        }
        for bad in ["nourl", "http://", "http:", "://x", "1a://x", "/tmp/s", ""] {
            assert!(!is_url(bad), "{bad}");
        }
    }

    #[test]
    fn the_host_header_names_the_port() {
        assert_eq!(Endpoint::parse("http://[::1]:5").unwrap().host_header(), "[::1]:5");
        assert_eq!(Endpoint::parse("unix:///s").unwrap().host_header(), "localhost");
    }
}

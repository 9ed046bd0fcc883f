//! The files that the pages need, part of the binary. Drawn and written for this project; their
//! addresses are those of Supervisor 4.3.0, since pages of others link to some of them.

use super::PageResponse;
use super::render::{base, header, moved};

const STYLE: &[u8] = include_bytes!("assets/supervisor.css");
const SCRIPT: &[u8] = include_bytes!("assets/supervisor.js");

/// Path without leading slash, type, content.
const FILES: &[(&str, &str, &[u8])] = &[
    ("stylesheets/supervisor.css", "text/css", STYLE),
    ("scripts/supervisor.js", "text/javascript", SCRIPT),
    ("images/icon.png", "image/png", include_bytes!("assets/icon.png")),
    ("images/rule.gif", "image/gif", include_bytes!("assets/rule.gif")),
    ("images/state0.gif", "image/gif", include_bytes!("assets/state0.gif")),
    ("images/state1.gif", "image/gif", include_bytes!("assets/state1.gif")),
    ("images/state2.gif", "image/gif", include_bytes!("assets/state2.gif")),
    ("images/state3.gif", "image/gif", include_bytes!("assets/state3.gif")),
    ("images/supervisor.gif", "image/gif", include_bytes!("assets/supervisor.gif")),
];

/// Stands in the address of the style sheet, so that browsers may keep it and yet take a new one.
pub(super) const STYLE_MARK: u32 = fnv(STYLE);

/// The same for the script.
pub(super) const SCRIPT_MARK: u32 = fnv(SCRIPT);

/// FNV-1a with 32 bits.
const fn fnv(bytes: &[u8]) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        rest = after;
    }
    hash
}

/// The file of that name. A folder leads to itself with a slash, as in the reference, where there is
/// nothing either.
pub(super) fn find(name: &str, host: Option<&str>) -> Option<PageResponse> {
    if matches!(name, "stylesheets" | "images") {
        return Some(moved(&base(host, [None, None]), &format!("/{name}/")));
    }
    let (_, content_type, content) = FILES.iter().find(|(path, _, _)| *path == name)?;
    let headers = vec![
        header("Cache-Control", "public, max-age=86400"),
        header("X-Content-Type-Options", "nosniff"),
    ];
    Some(PageResponse { status: 200, headers, body: content.to_vec(), content_type })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_types() {
        for (path, content_type, _) in FILES {
            let answer = find(path, None).unwrap();
            assert_eq!((answer.status, answer.content_type), (200, *content_type), "{path}");
            assert!(!answer.body.is_empty(), "{path}");
        }
    }

    #[test]
    fn only_known_names_are_files() {
        for path in
            ["images/index.html", "images/", "stylesheets/", "../options.py", "images/../images"]
        {
            assert_eq!(find(path, None), None, "{path}");
        }
    }

    #[test]
    fn folders_lead_to_themselves() {
        let answer = find("stylesheets", Some("h:9001")).unwrap();
        assert_eq!(answer.status, 301);
        assert_eq!(answer.headers, [header("Location", "http://h:9001/stylesheets/")]);
    }

    #[test]
    fn the_style_asks_nobody_else() {
        let style = std::str::from_utf8(STYLE).unwrap();
        for word in ["http:", "https:", "//", "@import", "url("] {
            assert!(!style.contains(word), "{word}");
        }
    }
}

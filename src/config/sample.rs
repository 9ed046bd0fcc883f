//! The sample configuration that `echo_supervisord_conf` prints: made from the table of options,
//! with prose around it. Pure; used on the main thread of that program.
//!
//! Which settings it shows, in which order, and what its first line says are those of Supervisor
//! 4.3.0, since tools edit that output line by line. The explanations are our own.

use super::options::{ALSO_SHOWN, Fallback, OptionRow, Section, Shown};
use std::fmt::Write;

/// One section of the sample.
struct Part {
    section: Section,
    /// Prose before it, one comment line each.
    prose: &'static [&'static str],
    /// Its header line as it stands in the file.
    header: &'static str,
}

const HEAD: &[&str] = &[
    "Sample supervisor config file.",
    "",
    "Lines that start with a semicolon say something or show a setting that is not in force.",
    "Remove the semicolon to put such a setting, together with its [section], in force.",
    "",
    "How values are read:",
    " - A comment after a value needs a blank before its semicolon. A blank and a semicolon that",
    "   belong to the value, as in a shell command, would cut it off: put the command in a script.",
    " - $NAME is not replaced. %(ENV_NAME)s stands for the variable NAME of supervisord's",
    "   environment, %(here)s for the folder of this file, %% for a percent sign.",
    " - Quotes belong to the value, except in environment, where they may enclose each value.",
    " - Sizes take KB, MB or GB. Relative file names start at the folder supervisord is run in.",
    "",
    "The files below are in /tmp because that exists everywhere. Choose better places: many systems",
    "clear /tmp now and then, and supervisorctl finds nobody to talk to once the socket is gone.",
];

const PARTS: &[Part] = &[
    Part {
        section: Section::UnixHttpServer,
        prose: &["The socket on this machine over which supervisorctl gives its orders."],
        header: "[unix_http_server]",
    },
    Part {
        section: Section::InetHttpServer,
        prose: &[
            "The same over TCP, with the web pages. Whoever may connect can run programs as the user",
            "of supervisord, and nothing on the wire is encrypted. Keep it on localhost or on a network",
            "you trust, ask for a name and a password, and never offer it to the internet.",
        ],
        // The comment belongs to the line that tools look for.
        header: ";[inet_http_server]         ; inet (TCP) server disabled by default",
    },
    Part { section: Section::Supervisord, prose: &["The daemon itself."], header: "[supervisord]" },
    Part {
        section: Section::RpcInterface,
        prose: &[
            "What the control servers answer. Without this section neither supervisorctl nor the web",
            "pages can do anything.",
        ],
        header: "[rpcinterface:supervisor]",
    },
    Part {
        section: Section::Supervisorctl,
        prose: &["How supervisorctl reaches the daemon: one of the servers above."],
        header: "[supervisorctl]",
    },
    Part {
        section: Section::Program,
        prose: &[
            "A program to run. Write one such section for each, named as you like to call it. The",
            "values are examples. An [fcgi-program:x] takes the same options, and socket,",
            "socket_backlog, socket_owner and socket_mode for the socket its processes share.",
        ],
        header: ";[program:theprogramname]",
    },
    Part {
        section: Section::EventListener,
        prose: &[
            "A program that is told of events, such as a process that changed its state. It reads them",
            "from its stdin and answers on its stdout.",
        ],
        header: ";[eventlistener:theeventlistenername]",
    },
    Part {
        section: Section::Group,
        prose: &["Programs that can be addressed together, as thegroupname:*."],
        header: ";[group:thegroupname]",
    },
    Part {
        section: Section::Include,
        prose: &[
            "More files to read. Patterns are separated by blanks, and start at the folder of this file",
            "unless they are absolute. Files read that way cannot include others.",
        ],
        header: ";[include]",
    },
];

/// Settings longer than this have their explanation on the line before.
const WIDEST: usize = 40;

/// The sample configuration.
pub fn text() -> String {
    let mut out = String::new();
    prose(&mut out, HEAD);
    for part in PARTS {
        out.push('\n');
        prose(&mut out, part.prose);
        out.push('\n');
        out.push_str(part.header);
        out.push('\n');
        settings(&mut out, part.section);
    }
    out
}

fn prose(out: &mut String, lines: &[&str]) {
    for line in lines {
        // Tests and tools tell prose from disabled settings by the blank.
        let blank = if line.is_empty() { "" } else { " " };
        let _ = writeln!(out, ";{blank}{line}");
    }
}

/// The lines below a header, explanations in one column.
fn settings(out: &mut String, section: Section) {
    let mut lines: Vec<(String, String)> = Vec::new();
    for row in section.options() {
        let (mark, value) = match row.shown {
            Shown::No => continue,
            Shown::Set(value) => ("", value),
            Shown::Off(value) => (";", value),
        };
        lines.push((format!("{mark}{}", setting(section, row.name, value)), explanation(row)));
        for (s, name, value, about) in ALSO_SHOWN {
            if *s == section && *name == row.name {
                lines.push((format!(";{}", setting(section, name, value)), (*about).into()));
            }
        }
    }
    let fitting = lines.iter().map(|(setting, _)| setting.len()).filter(|len| *len <= WIDEST);
    let width = fitting.max().unwrap_or(0);
    for (setting, about) in lines {
        let _ = if setting.len() > width {
            writeln!(out, "; {about}\n{setting}")
        } else {
            writeln!(out, "{setting:width$} ; {about}")
        };
    }
}

fn setting(section: Section, name: &str, value: &str) -> String {
    match section {
        // These two are customarily written with blanks.
        Section::RpcInterface | Section::Include => format!("{name} = {value}"),
        _ => format!("{name}={value}"),
    }
}

fn explanation(row: &OptionRow) -> String {
    match row.default {
        Fallback::Value(v) => format!("{} (default {v})", row.about),
        Fallback::Words(w) => format!("{} (default: {w})", row.about),
        Fallback::Required => format!("{} (required)", row.about),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Setting lines the way tools read them: the text before the comment.
    fn shown(section: Section) -> Vec<String> {
        let text = text();
        let header =
            PARTS.iter().find(|p| p.section == section).map(|p| p.header).unwrap_or_default();
        let body = text.split_once(&format!("\n{header}\n")).unwrap().1;
        body.lines()
            .take_while(|l| !l.is_empty())
            .filter(|l| !l.starts_with("; "))
            .map(|l| l.split(" ;").next().unwrap_or_default().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn starts_with_the_line_tools_look_for() {
        assert_eq!(text().lines().next(), Some("; Sample supervisor config file."));
    }

    #[test]
    fn has_the_sections_in_order() {
        let text = text();
        let headers: Vec<&str> =
            text.lines().filter(|l| l.starts_with('[') || l.starts_with(";[")).collect();
        assert_eq!(
            headers,
            [
                "[unix_http_server]",
                ";[inet_http_server]         ; inet (TCP) server disabled by default",
                "[supervisord]",
                "[rpcinterface:supervisor]",
                "[supervisorctl]",
                ";[program:theprogramname]",
                ";[eventlistener:theeventlistenername]",
                ";[group:thegroupname]",
                ";[include]",
            ]
        );
    }

    #[test]
    fn shows_servers_and_client_with_their_values() {
        let server = [
            "file=/tmp/supervisor.sock",
            ";chmod=0700",
            ";chown=nobody:nogroup",
            ";username=user",
            ";password=123",
        ];
        assert_eq!(shown(Section::UnixHttpServer), server);
        let inet = [";port=127.0.0.1:9001", ";username=user", ";password=123"];
        assert_eq!(shown(Section::InetHttpServer), inet);
        let ctl = [
            "serverurl=unix:///tmp/supervisor.sock",
            ";serverurl=http://127.0.0.1:9001",
            ";username=chris",
            ";password=123",
            ";prompt=mysupervisor",
            ";history_file=~/.sc_history",
        ];
        assert_eq!(shown(Section::Supervisorctl), ctl);
        let rpc =
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface";
        assert_eq!(shown(Section::RpcInterface), [rpc]);
        assert_eq!(shown(Section::Include), [";files = relative/directory/*.ini"]);
    }

    #[test]
    fn shows_every_option_that_has_an_example() {
        for part in PARTS {
            let lines = shown(part.section);
            for row in part.section.options().filter(|o| o.shown != Shown::No) {
                let found = lines.iter().any(|l| {
                    let name = l.trim_start_matches(';').split('=').next().unwrap_or_default();
                    name.trim_end() == row.name
                });
                assert!(found, "{:?} lacks {}", part.section, row.name);
            }
        }
    }

    #[test]
    fn a_value_in_force_is_never_cut_by_a_comment() {
        for line in text().lines().filter(|l| !l.starts_with([';', '[']) && !l.is_empty()) {
            let value = line.split(" ;").next().unwrap_or_default();
            assert!(value.contains('=') && !value.contains([';', '#']), "{line}");
        }
    }

    #[test]
    fn values_in_force_are_the_defaults_or_files_in_tmp() {
        for part in PARTS {
            for row in part.section.options() {
                if let (Shown::Set(v), Fallback::Value(d)) = (row.shown, row.default) {
                    assert!(v == d || v.contains("/tmp/"), "{}", row.name);
                }
            }
        }
    }

    #[test]
    fn no_line_is_unreadably_long() {
        for line in text().lines() {
            assert!(line.chars().count() <= 130, "{line}");
        }
    }
}

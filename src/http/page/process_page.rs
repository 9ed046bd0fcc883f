//! The markup of the page of one process. Pure.

use super::PageResponse;
use super::pages::{act, follow, label, look, offered};
use super::render::Html;
use super::view::{Process, word};
use crate::coordinator::history::{Exit, ExitReason};
use crate::machine::ExitStatus;
use crate::sys::{clock, signals};

/// State, charts, last exits and events, the end of stderr, and the settings.
pub(super) fn page(process: &Process) -> PageResponse {
    let row = &process.row;
    let mut html = Html::page(&format!("Supervisor: {}", row.name), process.stderr.len() + 8192);
    html.raw("<header>\n<h1>").text(&row.name).raw("</h1>\n<nav aria-label=\"Pages\">\n");
    html.raw("<a class=\"button\" href=\"index.html\">All processes</a>\n");
    html.raw("<a class=\"button\" href=\"tail.html?processname=").quoted(&row.name);
    html.raw("\">stdout</a>\n<a class=\"button\" href=\"tail.html?processname=");
    html.quoted(&row.name).raw("&amp;channel=stderr\">stderr</a>\n</nav>\n</header>\n");
    html.raw("<main id=\"main\">\n<p class=\"one\" data-process=\"").text(&row.name);
    html.raw("\"><span role=\"status\"><span class=\"")
        .raw(look(row.state))
        .raw("\">")
        .raw(word(row.state));
    html.raw("</span></span> <span data-description>").text(&row.description);
    html.raw("</span> <span class=\"actions\">");
    for verb in offered(row.state) {
        act(&mut html, *verb, &row.name);
        label(&mut html, verb.label(), &row.name);
    }
    follow(&mut html, &row.name);
    html.raw("</span></p>\n");
    // filled by the script only
    html.raw("<section hidden><h2>Process tree</h2><div id=\"usage\"></div></section>\n");
    exits(&mut html, process);
    html.raw("<section><h2>Last lines of errors</h2>\n");
    if process.stderr.is_empty() {
        html.raw("<p class=\"hint\">There are none.</p>\n");
    } else {
        html.raw("<pre tabindex=\"0\">\n").text(&process.stderr).raw("</pre>\n");
    }
    html.raw("</section>\n<section><h2>Events</h2>\n<ol id=\"events\" reversed>\n");
    for change in process.history.changes.iter().rev() {
        html.raw("<li>").text(&clock::local(change.time, c"%Y-%m-%d %H:%M:%S")).raw(" ");
        html.raw(change.from.name()).raw(" → ").raw(change.to.name()).raw("</li>\n");
    }
    html.raw("</ol></section>\n<section><h2>Configuration</h2>\n<dl>\n");
    for (name, value) in &process.settings {
        html.raw("<dt>").text(name).raw("</dt><dd>").text(value).raw("</dd>\n");
    }
    html.raw("</dl></section>\n</main>\n");
    html.respond(200)
}

fn exits(html: &mut Html, process: &Process) {
    html.raw("<section><h2>Last exits</h2>\n");
    if process.history.last_exits.is_empty() {
        html.raw("<p class=\"hint\">It has not ended yet.</p></section>\n");
        return;
    }
    html.raw(
        "<table><thead><tr><th scope=\"col\">When</th><th scope=\"col\">How</th>\
         <th scope=\"col\">Why</th><th scope=\"col\">Ran for</th></tr></thead>\n<tbody>\n",
    );
    for exit in process.history.last_exits.iter().rev() {
        html.raw("<tr><td>").text(&clock::local(exit.time, c"%Y-%m-%d %H:%M:%S"));
        html.raw("</td><td>").text(&how(exit)).raw("</td><td>").raw(why(exit.reason));
        html.raw("</td><td>").text(&ran(exit)).raw("</td></tr>\n");
    }
    html.raw("</tbody></table></section>\n");
}

fn how(exit: &Exit) -> String {
    match exit.status {
        ExitStatus::Code(code) => format!("exit code {code}"),
        ExitStatus::Signal { signal, core } => {
            let dumped = if core { ", core dumped" } else { "" };
            format!("signal {}{dumped}", signals::name(signal))
        }
    }
}

fn why(reason: ExitReason) -> &'static str {
    match reason {
        ExitReason::Expected => "as expected",
        ExitReason::Unexpected => "not expected",
        ExitReason::Signal => "killed",
        ExitReason::Stopped => "stopped",
    }
}

fn ran(exit: &Exit) -> String {
    let secs = exit.ran.as_secs();
    match secs {
        0..60 => format!("{:.1} s", exit.ran.as_secs_f64()),
        60..86_400 => format!("{}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60),
        _ => format!("{} days, {}:{:02} h", secs / 86_400, secs / 3600 % 24, secs / 60 % 60),
    }
}

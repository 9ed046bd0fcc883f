//! The markup of the pages. Pure.
//!
//! Addresses in links are relative, so that the pages work below any prefix of a proxy. Order and
//! words of a row's cells and links are those of Supervisor 4.3.0, which programs read; so is the
//! title.

use super::PageResponse;
use super::actions::{Deed, Verb};
use super::render::{Html, header};
use super::view::{Row, Status, Tail, word};
use crate::coordinator::history::STATES;
use crate::coordinator::inbox::Channel;
use crate::coordinator::published::Mood;
use crate::machine::State;

/// Bytes that a row of the table takes, about.
const ROW: usize = 768;

/// The table of processes.
pub(super) fn status(status: &Status, message: Option<&str>) -> PageResponse {
    let mut html = Html::page("Supervisor Status", status.rows.len() * ROW);
    html.raw("<a class=\"skip\" href=\"#main\">Skip to the processes</a>\n<header>\n");
    html.raw("<h1>Supervisor</h1>\n<p class=\"identifier\">").text(&status.identifier);
    html.raw("</p>\n");
    counts(&mut html, status);
    html.raw("</header>\n<main id=\"main\">\n");
    mood(&mut html, status.mood);
    if let Some(message) = message {
        html.raw("<p class=\"message\" role=\"status\">").text(message).raw("</p>\n");
    }
    html.raw(
        "<nav aria-label=\"All processes\">\n\
         <a class=\"button\" href=\"index.html?action=refresh\">Refresh</a>\n\
         <a class=\"button\" href=\"index.html?action=restartall\">Restart All</a>\n\
         <a class=\"button\" href=\"index.html?action=stopall\">Stop All</a>\n</nav>\n",
    );
    if !status.rows.is_empty() || !status.filter.is_empty() || !status.state.is_empty() {
        filter(&mut html, status);
    }
    if status.rows.is_empty() {
        html.raw("<p class=\"empty\">No programs to manage</p>\n");
    } else {
        html.raw(
            "<table class=\"processes\" aria-label=\"Processes\">\n<thead>\
             <tr><th scope=\"col\">State</th><th scope=\"col\">Description</th>\
             <th scope=\"col\">Name</th><th scope=\"col\">Action</th></tr></thead>\n<tbody>\n",
        );
        status.rows.iter().for_each(|r| row(&mut html, r));
        html.raw("</tbody>\n</table>\n");
    }
    groups(&mut html, status);
    html.raw("</main>\n");
    html.respond(200)
}

fn filter(html: &mut Html, status: &Status) {
    html.raw(
        "<form class=\"filter\" role=\"search\" action=\"index.html\">\n<label>Name \
         <input id=\"filter\" name=\"filter\" type=\"search\" autocomplete=\"off\" value=\"",
    );
    html.text(&status.filter).raw("\"></label>\n<label>State <select id=\"state\" name=\"state\">");
    html.raw("<option value=\"\">any</option>");
    for state in STATES {
        html.raw("<option");
        html.raw(if word(state) == status.state { " selected>" } else { ">" });
        html.raw(word(state)).raw("</option>");
    }
    html.raw(
        "</select></label>\n<button class=\"button\">Show</button>\n\
         <span id=\"left\" role=\"status\" class=\"hint\"></span>\n</form>\n",
    );
}

/// Buttons for groups, apart from the table. They are forms and not links: programs read the links
/// of this page, and a form needs no second question over TCP.
fn groups(html: &mut Html, status: &Status) {
    if status.rows.is_empty() {
        return;
    }
    html.raw("<section class=\"groups\">\n<h2>Groups</h2>\n<ul>\n");
    for (name, up, all) in &status.groups {
        html.raw("<li><span class=\"name\">").text(name).raw("</span> <span class=\"hint\">");
        html.number(*up).raw(" of ").number(*all).raw(" running</span>");
        html.raw("<form class=\"actions\" method=\"post\" action=\"index.html\">");
        html.raw("<input type=\"hidden\" name=\"group\" value=\"").text(name).raw("\">");
        for verb in [Verb::Start, Verb::Stop, Verb::Restart] {
            html.raw("<button class=\"button\" name=\"action\" value=\"").raw(verb.action());
            html.raw("\" aria-label=\"").raw(verb.label()).raw(" group ").text(name).raw("\">");
            html.raw(verb.label()).raw("</button>");
        }
        html.raw("</form></li>\n");
    }
    html.raw(
        "<li><span class=\"name\">All processes</span>\
         <form class=\"actions\" method=\"post\" action=\"index.html\">\
         <button class=\"button\" name=\"action\" value=\"startall\">Start All</button></form></li>\n\
         </ul>\n</section>\n",
    );
}

fn counts(html: &mut Html, status: &Status) {
    if status.rows.is_empty() {
        return;
    }
    html.raw("<ul class=\"counts\" aria-live=\"polite\" aria-label=\"Processes by state\">");
    for (state, count) in status.counts() {
        html.raw("<li><span class=\"").raw(look(state)).raw("\">").number(count).raw(" ");
        html.raw(word(state)).raw("</span></li>");
    }
    html.raw("</ul>\n");
}

fn mood(html: &mut Html, mood: Mood) {
    let text = match mood {
        Mood::Running => return,
        Mood::Fatal => "supervisord is in a fatal state.",
        Mood::Restarting => "supervisord is restarting.",
        Mood::Shutdown => "supervisord is shutting down.",
    };
    html.raw("<p class=\"message\" role=\"status\">").raw(text).raw("</p>\n");
}

/// A row is as light as can be, since there may be a thousand: its links are told apart by the
/// row's header, to screen readers, too.
fn row(html: &mut Html, row: &Row) {
    html.raw("<tr data-process=\"").text(&row.name);
    html.raw("\"><td><span class=\"").raw(look(row.state)).raw("\">");
    html.raw(word(row.state)).raw("</span></td><td>").text(&row.description);
    html.raw("</td><th scope=\"row\"><a href=\"tail.html?processname=");
    html.quoted(&row.name).raw("\">").text(&row.name);
    html.raw("</a></th><td class=\"actions\">");
    for verb in offered(row.state) {
        act(html, *verb, &row.name);
        html.raw("\">").raw(verb.label()).raw("</a>");
    }
    for (channel, text) in FOLLOWED {
        html.raw("<a target=\"_blank\" href=\"logtail/").quoted(&row.name).raw(channel);
        html.raw("\">").raw(text).raw("</a>");
    }
    html.raw("</td></tr>\n");
}

/// The start tag of a link that does something, up to the inside of its address.
pub(super) fn act(html: &mut Html, verb: Verb, name: &str) {
    html.raw("<a class=\"button\" href=\"index.html?processname=").quoted(name);
    html.raw("&amp;action=").raw(verb.action());
}

/// Logs that can be followed: what their addresses end with, and the words of their links.
const FOLLOWED: [(&str, &str); 2] = [("", "Tail -f Stdout"), ("/stderr", "Tail -f Stderr")];

/// What can be done with a process in that state, as links of the reference offer it.
pub(super) fn offered(state: State) -> &'static [Verb] {
    match state {
        State::Running => &[Verb::Restart, Verb::Stop, Verb::ClearLog],
        State::Stopped | State::Exited | State::Fatal => &[Verb::Start, Verb::ClearLog],
        State::Starting | State::Backoff | State::Stopping | State::Unknown => &[Verb::ClearLog],
    }
}

/// Links to the logs as they grow.
pub(super) fn follow(html: &mut Html, name: &str) {
    for (channel, text) in FOLLOWED {
        html.raw("<a target=\"_blank\" href=\"logtail/").quoted(name);
        html.raw(channel);
        label(html, text, name);
    }
}

/// Ends the start tag of a link and the link. Its name for screen readers says which process.
pub(super) fn label(html: &mut Html, text: &'static str, name: &str) {
    html.raw("\" aria-label=\"").raw(text).raw(" ").text(name);
    html.raw("\">").raw(text).raw("</a>");
}

/// Class of a state.
pub(super) fn look(state: State) -> &'static str {
    match state {
        State::Running => "state good",
        State::Starting | State::Stopping => "state busy",
        State::Backoff | State::Fatal | State::Unknown => "state bad",
        State::Stopped | State::Exited => "state calm",
    }
}

/// The end of a log.
pub(super) fn tail(tail: &Tail) -> PageResponse {
    // "None" as in the reference, whose titles programs read
    let name = tail.name.as_deref().unwrap_or("None");
    let title = format!("Supervisor tail of process {name}");
    let mut html = Html::page(&title, tail.text.len() + tail.text.len() / 8);
    html.raw("<header>\n<h1>").text(tail.name.as_deref().unwrap_or("No process")).raw("</h1>\n");
    html.raw("<nav aria-label=\"Log\">\n");
    html.raw("<a class=\"button\" href=\"index.html\">All processes</a>\n");
    if let Some(name) = &tail.name {
        html.raw("<a class=\"button\" href=\"tail.html?processname=").quoted(name);
        if tail.channel == Channel::Stderr {
            html.raw("&amp;channel=stderr");
        }
        html.raw("&amp;limit=").text(&tail.limit.to_string()).raw("\">Refresh</a>\n");
        follow(&mut html, name);
        html.raw("<a href=\"process.html?processname=").quoted(name).raw("\">Details</a>\n");
    }
    // a line break right after <pre> is not shown, so that one of the log itself is
    html.raw("</nav>\n</header>\n<main id=\"main\">\n<pre tabindex=\"0\"");
    if let Some(name) = &tail.name {
        html.raw(" data-log=\"logtail/").quoted(name).raw("/").raw(tail.channel.name()).raw("\"");
    }
    html.raw(">\n").text(&tail.text);
    html.raw("</pre>\n</main>\n");
    html.respond(200)
}

/// Asks to press a button for what a link over TCP does not do.
pub(super) fn confirmation(deed: &Deed) -> PageResponse {
    let (verb, object) = deed.words();
    let mut html = Html::page("Supervisor: nothing was done yet", 0);
    html.raw("<main class=\"notice\">\n<h1>").raw(verb).raw(" ").text(object).raw("?</h1>\n");
    html.raw(
        "<p>Nothing was done yet: a link that changes something is not followed over TCP, since a \
         page from anywhere could hold one. Press the button to go on.</p>\n\
         <form method=\"post\" action=\"index.html\">\n\
         <input type=\"hidden\" name=\"action\" value=\"",
    );
    html.raw(deed.action()).raw("\">\n");
    if let Some(name) = deed.group() {
        html.raw("<input type=\"hidden\" name=\"group\" value=\"").text(name).raw("\">\n");
    }
    if let Some(name) = deed.process() {
        html.raw("<input type=\"hidden\" name=\"processname\" value=\"").text(name).raw("\">\n");
    }
    html.raw("<button class=\"button\">").raw(verb).raw(" ").text(object).raw("</button>\n");
    html.raw(
        "<a class=\"button\" href=\"index.html\">Cancel</a>\n</form>\n\
         <p class=\"hint\">Programs can send a POST instead. To let links act at once, as in \
         Supervisor before version 5, set <code>get_actions=true</code> in \
         <code>[inet_http_server]</code>.</p>\n</main>\n",
    );
    let mut answer = html.respond(405);
    answer.headers.push(header("Allow", "POST"));
    answer
}

//! `top`: a table that shows what processes use, anew every two seconds; without a terminal once. A
//! command of ours. CPU and memory come from `/usage.json`; with a supervisord that has none, such as
//! the reference, they are left open.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Flow, print_help};
use crate::ctl::error::CtlError;
use crate::ctl::follow::Follower;
use crate::ctl::interrupt;
use crate::ctl::render::{number, text};
use crate::ctl::session::Ctl;
use crate::json::{self, Json};

/// Time between two tables.
const PERIOD: Duration = Duration::from_secs(2);
/// Time between the two readings that a single table takes.
const SHORT: Duration = Duration::from_millis(500);
/// Clears the screen and goes to its corner.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// `top [-n COUNT]`: so many tables; without it, for ever on a terminal and one elsewhere.
///
/// # Errors
/// See [`Ctl::call`].
pub fn top(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    let live = io::stdout().is_terminal();
    let words: Vec<&str> = arg.split_whitespace().collect();
    let count = match words.as_slice() {
        [] => (!live).then_some(1),
        ["-n", count] if count.parse::<u64>().is_ok() => count.parse().ok(),
        _ => {
            ctl.refuse("Error: top takes -n and a number, or nothing");
            print_help(ctl, "top");
            return Ok(Flow::Stay);
        }
    };
    if !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    let watch = interrupt::watch().map_err(CtlError::Terminal)?;
    // What is used by the second is told by two readings.
    let _ = usage(ctl);
    let height = if live { tall() } else { None };
    let mut wait = SHORT;
    let mut left = count;
    while left != Some(0) {
        let mut fds = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        if pressed(&mut fds, wait) || ctl.out.is_gone() {
            break;
        }
        let rows = rows(ctl)?;
        if live && count != Some(1) {
            ctl.out.text(CLEAR);
        }
        ctl.out.text(&table(rows, height));
        left = left.map(|n| n - 1);
        wait = PERIOD;
    }
    Ok(Flow::Stay)
}

fn pressed(fds: &mut [PollFd<'_>], wait: Duration) -> bool {
    let until = Instant::now() + wait;
    loop {
        let rest = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(rest).unwrap_or(PollTimeout::MAX);
        match poll(fds, timeout) {
            Err(nix::errno::Errno::EINTR) => {}
            done => return done.is_ok_and(|n| n > 0),
        }
    }
}

/// Lines that the terminal has.
fn tall() -> Option<usize> {
    std::env::var("LINES").ok().and_then(|n| n.parse().ok()).or_else(|| {
        rustyline::DefaultEditor::new()
            .ok()
            .and_then(|mut editor| editor.dimensions())
            .map(|(_, rows)| usize::from(rows))
    })
}

/// One line of the table.
#[derive(Debug, Default, Clone, PartialEq)]
struct Row {
    name: String,
    state: String,
    pid: i64,
    uptime: i64,
    cpu: Option<f64>,
    rss: Option<u64>,
    restarts: Option<u64>,
}

fn rows(ctl: &mut Ctl) -> Result<Vec<Row>, CtlError> {
    let infos = ctl.call_list("getAllProcessInfo", &[])?;
    let used = usage(ctl);
    infos
        .iter()
        .map(|info| {
            let (group, name) = (text(info, "group")?, text(info, "name")?);
            let (pid, start) = (number(info, "pid")?, number(info, "start")?);
            let uptime = if pid > 0 { (number(info, "now")? - start).max(0) } else { 0 };
            let mut row = Row {
                name: if group == name { name.to_owned() } else { format!("{group}:{name}") },
                state: text(info, "statename")?.to_owned(),
                pid,
                uptime,
                ..Row::default()
            };
            if let Some(used) = &used {
                fill(&mut row, used, group, name);
            }
            Ok(row)
        })
        .collect()
}

/// The document of `/usage.json`, if that is to be had.
fn usage(ctl: &Ctl) -> Option<Json> {
    let mut follower = Follower::open_quoted(&ctl.target, "/usage.json").ok()?;
    let mut document = String::new();
    while !follower.is_done() {
        let progress = follower.advance();
        if progress.complaint.is_some() {
            return None;
        }
        document.push_str(&progress.text);
    }
    json::parse(&document)
}

fn fill(row: &mut Row, used: &Json, group: &str, name: &str) {
    let list = |value: Option<&Json>| match value {
        Some(Json::List(items)) => items.clone(),
        _ => Vec::new(),
    };
    let is_it = |p: &Json| {
        p.get("group").and_then(Json::as_str) == Some(group)
            && p.get("name").and_then(Json::as_str) == Some(name)
    };
    let Some(Json::List(processes)) = used.get("processes") else { return };
    let Some(at) = processes.iter().position(is_it) else { return };
    row.restarts = processes.get(at).and_then(|p| p.get("restarts")).and_then(Json::number);
    let samples = list(used.get("samples"));
    let Some(last) = samples.last().filter(|_| row.pid > 0) else { return };
    let of = |what: &str| match last.get(what) {
        Some(Json::List(values)) => values.get(at),
        _ => None,
    };
    row.cpu = of("cpu").and_then(Json::number);
    row.rss = of("rss").and_then(Json::number);
}

/// Busy ones first, then large ones; `height` lines at most.
fn table(mut rows: Vec<Row>, height: Option<usize>) -> String {
    let running = rows.iter().filter(|row| row.state == "RUNNING").count();
    let mut out = format!("{} processes, {running} running\n\n", rows.len());
    let key = |row: &Row| (row.cpu.unwrap_or(-1.0), row.rss.unwrap_or(0));
    rows.sort_by(|a, b| {
        let ((cpu_a, rss_a), (cpu_b, rss_b)) = (key(a), key(b));
        cpu_b.total_cmp(&cpu_a).then(rss_b.cmp(&rss_a)).then_with(|| a.name.cmp(&b.name))
    });
    let wide = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(4);
    out.push_str(&format!(
        "{:<wide$}  {:<8}  {:>7}  {:>11}  {:>6}  {:>8}  {:>8}\n",
        "NAME", "STATE", "PID", "UPTIME", "CPU%", "MEMORY", "RESTARTS"
    ));
    let room = height.map_or(usize::MAX, |h| h.saturating_sub(4));
    for row in rows.iter().take(room) {
        let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        out.push_str(&format!(
            "{:<wide$}  {:<8}  {:>7}  {:>11}  {:>6}  {:>8}  {:>8}\n",
            row.name,
            row.state,
            or((row.pid > 0).then(|| row.pid.to_string())),
            or((row.pid > 0).then(|| uptime(row.uptime))),
            or(row.cpu.map(|cpu| format!("{cpu:.1}"))),
            or(row.rss.filter(|_| row.pid > 0).map(size)),
            or(row.restarts.map(|n| n.to_string())),
        ));
    }
    out
}

fn uptime(secs: i64) -> String {
    let clock = format!("{}:{:02}:{:02}", secs / 3600 % 24, secs / 60 % 60, secs % 60);
    match secs / 86_400 {
        0 => clock,
        days => format!("{days}d {clock}"),
    }
}

fn size(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    match mib {
        m if m < 100.0 => format!("{m:.1}M"),
        m if m < 10_240.0 => format!("{m:.0}M"),
        m => format!("{:.1}G", m / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_come_first_and_what_is_unknown_is_left_open() {
        let row = |name: &str, cpu, rss| Row {
            name: name.into(),
            state: "RUNNING".into(),
            pid: 7,
            uptime: 90_061,
            cpu,
            rss,
            restarts: None,
        };
        let rows = vec![row("calm", None, None), row("busy", Some(12.34), Some(3 << 20))];
        let text = table(rows.clone(), None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "2 processes, 2 running");
        assert_eq!(lines[3], "busy  RUNNING         7   1d 1:01:01    12.3      3.0M         -");
        assert!(lines[4].starts_with("calm") && lines[4].ends_with("-         -         -"));
        assert_eq!(table(rows, Some(5)).lines().count(), 4);
    }

    #[test]
    fn usage_is_found_by_name() {
        let used = json::parse(
            "{\"processes\": [{\"group\": \"g\", \"name\": \"a\", \"restarts\": 1}, \
             {\"group\": \"g\", \"name\": \"b\", \"restarts\": 2}], \
             \"samples\": [{\"time\": 1.5, \"cpu\": [null, 2.5], \"rss\": [1, 1024]}]}",
        )
        .unwrap();
        let mut row = Row { pid: 1, ..Row::default() };
        fill(&mut row, &used, "g", "b");
        assert_eq!((row.cpu, row.rss, row.restarts), (Some(2.5), Some(1024), Some(2)));
        fill(&mut row, &used, "g", "a");
        assert_eq!((row.cpu, row.restarts), (None, Some(1)));
    }
}

//! Status for machines: `/metrics`, `/status.json`, `/usage.json`, `/healthz` and `/readyz`.
//!
//! Runs on connection threads. Reads what is published, the pump's counters and `/proc`; asks the
//! coordinator for nothing but a pulse. Owns the histogram of calls and the samples of usage.

pub mod exposition;
pub mod latency;
pub mod metrics;
pub mod usage;

use std::sync::Arc;

use crate::config::model::Autorestart;
use crate::coordinator::published::{Mood, ProcSlot, Published};
use crate::machine::State;
use crate::rpc::info::{self, Now};
use crate::rpc::status_json;
use crate::rpc::value::Value;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// All numbers, for Prometheus and the like.
    Metrics,
    /// What `supervisorctl status --json` prints.
    Status,
    /// CPU and memory of process trees.
    Usage,
    /// Whether supervisord works.
    Health,
    /// Whether all programs that start by themselves are RUNNING, or have done their work.
    Ready,
}

impl Endpoint {
    const ALL: [(&'static str, Endpoint); 5] = [
        ("/metrics", Endpoint::Metrics),
        ("/status.json", Endpoint::Status),
        ("/usage.json", Endpoint::Usage),
        ("/healthz", Endpoint::Health),
        ("/readyz", Endpoint::Ready),
    ];

    /// By its path.
    pub fn of(path: &str) -> Option<Endpoint> {
        Endpoint::ALL.iter().find(|(name, _)| *name == path).map(|(_, endpoint)| *endpoint)
    }

    /// Its path.
    pub fn path(self) -> &'static str {
        Endpoint::ALL.iter().find(|(_, e)| *e == self).map_or("", |(name, _)| *name)
    }

    /// All paths, for messages.
    pub fn paths() -> impl Iterator<Item = &'static str> {
        Endpoint::ALL.iter().map(|(name, _)| *name)
    }
}

/// What stays between questions.
#[derive(Default)]
pub struct Monitor {
    /// How long calls took.
    pub rpc: latency::Latency,
    /// CPU and memory.
    pub sampler: usage::Sampler,
}

/// A status code, a media type and a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// 200 or 503.
    pub status: u16,
    /// Media type.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
}

impl Report {
    fn plain(status: u16, body: String) -> Report {
        Report { status, content_type: "text/plain; charset=utf-8", body }
    }
    /// A JSON document.
    pub fn json(body: String) -> Report {
        Report { status: 200, content_type: "application/json", body }
    }
}

/// `/healthz`: whether the coordinator has answered.
pub fn health(answered: bool) -> Report {
    match answered {
        true => Report::plain(200, "ok\n".to_owned()),
        false => Report::plain(503, "supervisord does not answer\n".to_owned()),
    }
}

/// `/readyz`: every program with `autostart` runs, or has ended as it was meant to.
pub fn ready(published: &Published) -> Report {
    let mood = published.mood();
    let structure = published.structure();
    let wanted: Vec<&Arc<ProcSlot>> = structure
        .groups
        .iter()
        .flat_map(|g| &g.processes)
        .filter(|slot| slot.config.autostart)
        .collect();
    let all = wanted.len();
    let (done, others): (Vec<&Arc<ProcSlot>>, Vec<_>) = wanted.into_iter().partition(|s| done(s));
    let missing: Vec<(String, State)> = others
        .iter()
        .map(|slot| (slot.full_name(), slot.look(|view| view.state)))
        .filter(|(_, state)| *state != State::Running)
        .collect();
    if mood != Mood::Running {
        return Report::plain(503, format!("not ready: supervisord is {}\n", mood.name()));
    }
    if missing.is_empty() {
        let note = match done.len() {
            0 => String::new(),
            n => format!(", {n} ended as expected"),
        };
        return Report::plain(200, format!("ready: {} processes run{note}\n", others.len()));
    }
    let mut text = format!("not ready: {} of {all} processes\n", missing.len());
    for (name, state) in missing {
        text.push_str(&format!("{name} {}\n", state.name()));
    }
    Report::plain(503, text)
}

/// Whether a process has done its work: it ended by itself with one of its `exitcodes` and is not
/// started again. One-shot programs would otherwise make a service unready for ever.
fn done(slot: &ProcSlot) -> bool {
    slot.config.autorestart != Autorestart::Always
        && slot.look(|view| {
            view.state == State::Exited && slot.config.exitcodes.contains(&view.exitstatus)
        })
}

/// `/status.json`: all processes, or those of these names.
pub fn status(published: &Published, names: &[String]) -> Report {
    let structure = published.structure();
    let document = match names {
        [] => match info::all_processes(&structure, Now::get()) {
            Value::Array(all) => status_json::document(&all.iter().collect::<Vec<_>>()),
            _ => Ok(String::new()),
        },
        names => {
            let now = Now::get();
            let found = names.iter().filter_map(|name| {
                let (group, process) = name.split_once(':').unwrap_or((name, name));
                structure.group(group)?.process(process)
            });
            let infos: Vec<Value> = found.map(|slot| info::process(slot, now)).collect();
            status_json::document(&infos.iter().collect::<Vec<_>>())
        }
    };
    // the members are our own, so none is missing
    Report::json(document.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::published::ProcView;
    use crate::rpc::testing;

    #[test]
    fn ready_means_that_all_that_start_by_themselves_run() {
        let mut manual = testing::program("manual");
        manual.autostart = false;
        let members = vec![Arc::new(testing::program("a")), Arc::new(manual)];
        let published = testing::published(vec![testing::group("g", members)]);
        let report = ready(&published);
        assert_eq!(
            (report.status, report.body.as_str()),
            (503, "not ready: 1 of 1 processes\ng:a STOPPED\n")
        );
        let slot = published.structure().group("g").unwrap().process("a").unwrap().clone();
        slot.publish(ProcView { state: State::Running, ..ProcView::new() });
        assert_eq!(ready(&published).status, 200);
        published.set_mood(Mood::Shutdown);
        assert_eq!(ready(&published).body, "not ready: supervisord is SHUTDOWN\n");
    }

    #[test]
    fn a_program_that_has_done_its_work_is_no_reason_to_be_unready() {
        for (autorestart, exitstatus, status) in [
            (Autorestart::Never, 0, 200),
            (Autorestart::Unexpected, 7, 200),
            (Autorestart::Never, 3, 503),
            (Autorestart::Never, -1, 503),
            (Autorestart::Always, 0, 503),
        ] {
            let mut once = testing::program("once");
            once.autorestart = autorestart;
            once.exitcodes = vec![0, 7];
            let group = testing::group("once", vec![Arc::new(once)]);
            let published = testing::published(vec![group]);
            let slot =
                published.structure().group("once").unwrap().process("once").unwrap().clone();
            slot.publish(ProcView { state: State::Stopped, exitstatus, ..ProcView::new() });
            assert_eq!(ready(&published).status, 503);
            slot.publish(ProcView { state: State::Exited, exitstatus, ..ProcView::new() });
            let report = ready(&published);
            assert_eq!(report.status, status, "{autorestart:?} {exitstatus}");
            if status == 200 {
                assert_eq!(report.body, "ready: 0 processes run, 1 ended as expected\n");
            }
        }
    }

    #[test]
    fn status_can_be_had_of_some() {
        let member = |name| testing::group(name, vec![Arc::new(testing::program(name))]);
        let published = testing::published(vec![member("a"), member("b")]);
        let count = |names: &[String]| status(&published, names).body.matches("\"group\"").count();
        assert_eq!(count(&[]), 2);
        assert_eq!(count(&["b".to_owned(), "x:y".to_owned()]), 1);
    }

    #[test]
    fn endpoints_have_their_paths() {
        for path in Endpoint::paths() {
            assert_eq!(Endpoint::of(path).map(Endpoint::path), Some(path));
        }
        assert_eq!(Endpoint::of("/metrics/"), None);
    }
}

//! What `/metrics` says. The names of the first four are those of node_exporter's supervisord
//! collector, so that dashboards made for it go on working. Pure but for what [`Own`] reads.

use std::sync::atomic::{AtomicU64, Ordering};

use super::exposition::{Exposition, Format, Kind};
use super::latency::{BOUNDS, Latency};
use super::usage::Own;
use crate::coordinator::history::{ExitReason, STATES, StartReason};
use crate::coordinator::published::{ProcSlot, ProcView, Published};
use crate::machine::State;
use crate::pump::Stats;
use crate::rpc::info::Now;
use crate::rpc::value::Value;

/// Bytes that a process takes, about.
const ROOM: usize = 2048;

/// Where the numbers come from.
pub struct Sources<'a> {
    /// Processes.
    pub published: &'a Published,
    /// Bytes of logs.
    pub pump: &'a Stats,
    /// Calls.
    pub rpc: &'a Latency,
    /// The answer to a pulse; none when the coordinator gave none in time.
    pub pulse: Option<&'a Value>,
    /// supervisord itself.
    pub own: Own,
}

/// The document.
pub fn document(sources: &Sources<'_>, format: Format, now: Now) -> String {
    let structure = sources.published.structure();
    let slots = structure.groups.iter().flat_map(|g| &g.processes);
    let seen: Vec<(&ProcSlot, ProcView)> = slots.map(|slot| (&**slot, slot.view())).collect();
    let mut out = Exposition::new(format, seen.len() * ROOM + 4096);
    carried_over(&mut out, &seen);
    histories(&mut out, &seen, now);
    logs(&mut out, sources.pump);
    events(&mut out, sources.pulse);
    calls(&mut out, sources.rpc);
    own(&mut out, sources);
    out.finish()
}

fn carried_over(out: &mut Exposition, seen: &[(&ProcSlot, ProcView)]) {
    let up = |v: &ProcView| v.state.is_signallable();
    out.family("node_supervisord_up", Kind::Gauge, "Process up");
    for (slot, view) in seen {
        out.sample(&labels(slot), u8::from(up(view)));
    }
    out.family("node_supervisord_state", Kind::Gauge, "Process state, as its number");
    for (slot, view) in seen {
        out.sample(&labels(slot), view.state.code());
    }
    out.family("node_supervisord_exit_status", Kind::Gauge, "Exit status, -1 after a signal");
    for (slot, view) in seen {
        out.sample(&labels(slot), view.exitstatus);
    }
    out.family("node_supervisord_start_time_seconds", Kind::Gauge, "Start, in seconds since 1970");
    for (slot, view) in seen.iter().filter(|(_, view)| up(view)) {
        out.sample(&labels(slot), view.start);
    }
}

fn labels(slot: &ProcSlot) -> [(&str, &str); 2] {
    [("name", &slot.config.name), ("group", &slot.group)]
}

fn labels_and<'a>(slot: &'a ProcSlot, name: &'a str, value: &'a str) -> [(&'a str, &'a str); 3] {
    [("name", &slot.config.name), ("group", &slot.group), (name, value)]
}

fn histories(out: &mut Exposition, seen: &[(&ProcSlot, ProcView)], now: Now) {
    out.family("supervisord_process_starts_total", Kind::Counter, "Starts, by what they were for");
    for (slot, _) in seen {
        for reason in StartReason::ALL {
            let count = slot.history(|h| h.starts(reason));
            out.sample(&labels_and(slot, "reason", reason.name()), count);
        }
    }
    out.family("supervisord_process_restarts_total", Kind::Counter, "Starts that nobody asked for");
    for (slot, _) in seen {
        out.sample(&labels(slot), slot.history(|h| h.restarts()));
    }
    out.family("supervisord_process_exits_total", Kind::Counter, "Exits, by their reason");
    for (slot, _) in seen {
        for reason in ExitReason::ALL {
            let count = slot.history(|h| h.exits(reason));
            out.sample(&labels_and(slot, "reason", reason.name()), count);
        }
    }
    let help = "Starts that made no process";
    out.family("supervisord_process_spawn_failures_total", Kind::Counter, help);
    for (slot, _) in seen {
        out.sample(&labels(slot), slot.history(|h| h.spawn_failures));
    }
    let help = "Time spent in each state, without those never entered";
    out.family("supervisord_process_state_seconds_total", Kind::Counter, help);
    for (slot, _) in seen {
        let times = slot.history(|h| STATES.map(|state| (state, h.time_in(state, now.mono))));
        for (state, time) in times.iter().filter(|(_, time)| !time.is_zero()) {
            out.sample(&labels_and(slot, "state", state.name()), time.as_secs_f64());
        }
    }
    out.family("supervisord_process_backoff", Kind::Gauge, "Failed starts in a row");
    for (slot, view) in seen {
        out.sample(&labels(slot), view.backoff);
    }
    out.family("supervisord_processes", Kind::Gauge, "Processes in each state");
    for state in STATES {
        let count = seen.iter().filter(|(_, view)| view.state == state).count();
        out.sample(&[("state", State::name(state))], count);
    }
}

fn logs(out: &mut Exposition, stats: &Stats) {
    let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
    for (name, help, count) in [
        ("supervisord_output_bytes_total", "Bytes that programs wrote", &stats.bytes_read),
        ("supervisord_log_bytes_total", "Bytes written to log files", &stats.bytes_logged),
        (
            "supervisord_log_lost_bytes_total",
            "Bytes that log files did not take",
            &stats.bytes_lost,
        ),
        ("supervisord_log_rotations_total", "Rotations of log files", &stats.rotations),
        ("supervisord_syslog_messages_total", "Lines sent to syslog", &stats.syslog_sent),
        (
            "supervisord_syslog_lost_messages_total",
            "Lines that syslog did not take",
            &stats.syslog_lost,
        ),
    ] {
        out.family(name, Kind::Counter, help).sample(&[], get(count));
    }
}

fn events(out: &mut Exposition, pulse: Option<&Value>) {
    let Some(pulse) = pulse else { return };
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_int).unwrap_or(0);
    let pools = match pulse.get("pools") {
        Some(Value::Array(pools)) => pools.as_slice(),
        _ => &[],
    };
    for (name, kind, help, member) in [
        ("supervisord_event_queue_length", Kind::Gauge, "Events that wait in a pool", "backlog"),
        ("supervisord_event_queue_limit", Kind::Gauge, "Events that may wait in a pool", "limit"),
        (
            "supervisord_events_discarded_total",
            Kind::Counter,
            "Events that a pool threw away since it was full",
            "discarded",
        ),
    ] {
        out.family(name, kind, help);
        for pool in pools {
            let name = pool.get("name").and_then(Value::as_str).unwrap_or("");
            out.sample(&[("pool", name)], number(pool, member));
        }
    }
    out.family("supervisord_event_streams", Kind::Gauge, "Clients that follow events over HTTP")
        .sample(&[], number(pulse, "streams"));
    let help = "Events that were too many for a client that follows them";
    out.family("supervisord_event_stream_dropped_total", Kind::Counter, help)
        .sample(&[], number(pulse, "dropped"));
}

fn calls(out: &mut Exposition, rpc: &Latency) {
    let help = "Time that XML-RPC calls took, the wait for processes included";
    out.family("supervisord_rpc_duration_seconds", Kind::Histogram, help);
    let counts = rpc.cumulative();
    let all = counts.last().copied().unwrap_or(0);
    for ((_, bound), count) in BOUNDS.iter().zip(&counts) {
        out.part("_bucket", &[("le", bound)], count);
    }
    out.part("_bucket", &[("le", "+Inf")], all);
    out.part("_sum", &[], rpc.sum().as_secs_f64()).part("_count", &[], all);
    out.family("supervisord_rpc_faults_total", Kind::Counter, "XML-RPC calls that gave a fault")
        .sample(&[], rpc.faults());
}

fn own(out: &mut Exposition, sources: &Sources<'_>) {
    let own = &sources.own;
    let identifier = sources.published.config().daemon.identifier.clone();
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("identifier", identifier.as_str())];
    out.family("supervisord_build_info", Kind::Gauge, "Always 1; its labels tell the version")
        .sample(&labels, 1);
    let help = "1 running, 0 restarting, -1 shutting down";
    out.family("supervisord_mood", Kind::Gauge, help).sample(&[], sources.published.mood() as i32);
    out.family("process_cpu_seconds_total", Kind::Counter, "CPU time of supervisord itself")
        .sample(&[], own.cpu);
    out.family("process_resident_memory_bytes", Kind::Gauge, "Memory of supervisord itself")
        .sample(&[], own.resident);
    out.family("process_threads", Kind::Gauge, "Threads of supervisord").sample(&[], own.threads);
    out.family("process_open_fds", Kind::Gauge, "Descriptors that supervisord has open")
        .sample(&[], own.fds);
    out.family("process_max_fds", Kind::Gauge, "Descriptors that supervisord may have open")
        .sample(&[], own.most_fds);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::testing;
    use crate::sys::clock::Mono;
    use std::sync::Arc;

    fn written(format: Format) -> String {
        let name = "we\"b";
        let group = testing::group("g", vec![Arc::new(testing::program(name))]);
        let published = testing::published(vec![group]);
        let slot = published.structure().groups[0].processes[0].clone();
        slot.publish(ProcView { state: State::Running, start: 7, ..ProcView::new() });
        slot.remember(|h| h.started(StartReason::Restart));
        let sources = Sources {
            published: &published,
            pump: &Stats::default(),
            rpc: &Latency::default(),
            pulse: None,
            own: Own::default(),
        };
        document(&sources, format, Now { wall: 10, mono: Mono::now() })
    }

    #[test]
    fn the_names_of_the_collector_are_kept() {
        let text = written(Format::OpenMetrics);
        let labels = "{name=\"we\\\"b\",group=\"g\"}";
        for line in [
            format!("node_supervisord_up{labels} 1\n"),
            format!("node_supervisord_state{labels} 20\n"),
            format!("node_supervisord_exit_status{labels} 0\n"),
            format!("node_supervisord_start_time_seconds{labels} 7\n"),
            format!("supervisord_process_restarts_total{labels} 1\n"),
            "# TYPE supervisord_process_restarts counter\n".to_owned(),
            "supervisord_rpc_duration_seconds_bucket{le=\"+Inf\"} 0\n".to_owned(),
        ] {
            assert!(text.contains(&line), "{line} in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn each_family_is_declared_once() {
        let text = written(Format::Prometheus);
        let mut names: Vec<&str> = text.lines().filter(|l| l.starts_with("# TYPE")).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

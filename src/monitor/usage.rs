//! CPU and memory of process trees, over the last minutes.
//!
//! Nothing here runs by itself: `/proc` is read when somebody asks, on the asking connection's
//! thread, and not more than once in [`PERIOD`] however many ask. What was read is kept for
//! [`KEPT`] samples, so that a page that is loaded anew has its charts at once, and is thrown away
//! when nobody has asked for [`STALE`].

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::coordinator::inbox::ProcId;
use crate::coordinator::published::Structure;
use crate::json::push_string;
use crate::sys::clock::{self, Mono};

/// Time between two samples that a page asks for.
pub const PERIOD: Duration = Duration::from_secs(2);
/// Samples are not taken in shorter succession than this.
const LEAST: Duration = Duration::from_millis(400);
/// Samples kept.
const KEPT: usize = 150;
/// Without a question for so long, what there is says nothing about now.
const STALE: Duration = Duration::from_secs(60);

/// A process as /proc tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    /// CPU time in clock ticks.
    ticks: u64,
    /// Start, in clock ticks since boot: with the pid it names a process for ever.
    born: u64,
    /// Resident pages.
    pages: u64,
}

/// What a tree uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Use {
    /// Percent of one processor; none before there are two readings.
    cpu: Option<f32>,
    kib: u64,
    processes: u32,
}

struct Sample {
    /// Seconds since 1970, with milliseconds: what `since=` compares with.
    time: f64,
    /// By rising id.
    uses: Vec<(ProcId, Use)>,
}

impl Sample {
    fn of(&self, id: ProcId) -> Use {
        let found = self.uses.binary_search_by_key(&id, |(id, _)| *id).ok();
        found.and_then(|at| self.uses.get(at)).map(|(_, used)| *used).unwrap_or_default()
    }
}

#[derive(Default)]
struct State {
    samples: VecDeque<Sample>,
    /// CPU time by pid and start.
    ticks: HashMap<(i32, u64), u64>,
    last: Option<Mono>,
}

/// See the module head. Its lock is held while /proc is read: those who ask wait for each other,
/// and for nobody else.
#[derive(Default)]
pub struct Sampler(Mutex<State>);

impl Sampler {
    /// `/usage.json`: what the trees of these processes use, with all samples later than `since`;
    /// without it, only the newest.
    pub fn document(&self, structure: &Structure, since: Option<f64>) -> String {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.sample(structure, Mono::now());
        state.write(structure, since)
    }
}

impl State {
    fn sample(&mut self, structure: &Structure, now: Mono) {
        let passed = self.last.map(|last| now.since(last));
        match passed {
            Some(passed) if passed < LEAST => return,
            Some(passed) if passed > STALE => *self = State::default(),
            _ => {}
        }
        let passed = passed.filter(|p| *p <= STALE);
        let seen = all();
        let mut roots = HashMap::new();
        for slot in structure.groups.iter().flat_map(|g| &g.processes) {
            let pid = slot.view().pid;
            if pid > 0 {
                roots.insert(pid, slot.id);
            }
        }
        let mut uses: Vec<(ProcId, Use)> = self.add_up(&seen, &roots, passed).into_iter().collect();
        uses.sort_by_key(|(id, _)| *id);
        self.ticks = seen.iter().map(|s| ((s.pid, s.born), s.ticks)).collect();
        self.last = Some(now);
        let (secs, micros) = clock::wall();
        let time = secs as f64 + f64::from(micros / 1000) / 1000.0;
        if self.samples.len() >= KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { time, uses });
    }

    fn add_up(
        &self,
        seen: &[Seen],
        roots: &HashMap<i32, ProcId>,
        passed: Option<Duration>,
    ) -> HashMap<ProcId, Use> {
        let (hertz, page) = (constant(nix::unistd::SysconfVar::CLK_TCK), page_kib());
        let owners = owners(seen, roots);
        let mut uses: HashMap<ProcId, Use> = HashMap::new();
        for s in seen {
            let Some(id) = owners.get(&s.pid) else { continue };
            let used = uses.entry(*id).or_default();
            used.processes += 1;
            used.kib += s.pages * page;
            if let Some(passed) = passed {
                // what is new has used all its time since the last reading
                let before = self.ticks.get(&(s.pid, s.born)).copied().unwrap_or(0);
                let secs = s.ticks.saturating_sub(before) as f64 / hertz as f64;
                let percent = 100.0 * secs / passed.as_secs_f64();
                used.cpu = Some(used.cpu.unwrap_or(0.0) + percent as f32);
            }
        }
        uses
    }

    fn write(&self, structure: &Structure, since: Option<f64>) -> String {
        let slots: Vec<_> = structure.groups.iter().flat_map(|g| &g.processes).collect();
        let newest = self.samples.back();
        let mut out = String::with_capacity(256 + slots.len() * 128);
        let time = newest.map_or(0.0, |s| s.time);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "{{\"time\": {time:.3}, \"period\": {}, \"processes\": [",
            PERIOD.as_secs()
        );
        for (i, slot) in slots.iter().enumerate() {
            out.push_str(if i == 0 { "\n{\"group\": " } else { ",\n{\"group\": " });
            push_string(&mut out, &slot.group);
            out.push_str(", \"name\": ");
            push_string(&mut out, &slot.config.name);
            let (view, restarts) = (slot.view(), slot.history(|h| h.restarts()));
            let count = newest.map_or(0, |s| s.of(slot.id).processes);
            let _ = write!(
                out,
                ", \"pid\": {}, \"restarts\": {restarts}, \"count\": {count}}}",
                view.pid
            );
        }
        out.push_str("],\n\"samples\": [");
        let wanted = |s: &&Sample| match since {
            Some(since) => s.time > since,
            None => s.time >= time,
        };
        for (i, sample) in self.samples.iter().filter(wanted).enumerate() {
            out.push_str(if i == 0 { "\n" } else { ",\n" });
            let uses: Vec<Use> = slots.iter().map(|slot| sample.of(slot.id)).collect();
            let cpu = uses.iter().map(|u| u.cpu.map_or("null".to_owned(), |c| format!("{c:.1}")));
            let cpu: Vec<String> = cpu.collect();
            let rss: Vec<String> = uses.iter().map(|u| (u.kib * 1024).to_string()).collect();
            let _ = write!(
                out,
                "{{\"time\": {:.3}, \"cpu\": [{}], \"rss\": [{}]}}",
                sample.time,
                cpu.join(","),
                rss.join(",")
            );
        }
        out.push_str("]}\n");
        out
    }
}

/// Whose tree each process belongs to: by its ancestors, and where those are gone by its process
/// group or session.
fn owners(seen: &[Seen], roots: &HashMap<i32, ProcId>) -> HashMap<i32, ProcId> {
    let by_pid: HashMap<i32, &Seen> = seen.iter().map(|s| (s.pid, s)).collect();
    let mut owners: HashMap<i32, ProcId> = HashMap::new();
    for s in seen {
        let mut at = s.pid;
        // A depth that no tree has: pids are read one after the other, so that a loop can show.
        let mut steps = 0;
        let owner = loop {
            if let Some(id) = owners.get(&at).or_else(|| roots.get(&at)) {
                break Some(*id);
            }
            steps += 1;
            match by_pid.get(&at) {
                Some(next) if next.parent > 0 && steps < 1000 => at = next.parent,
                _ => break roots.get(&s.group).or_else(|| roots.get(&s.session)).copied(),
            }
        };
        if let Some(id) = owner {
            owners.insert(s.pid, id);
        }
    }
    owners
}

/// All processes there are; those that end meanwhile are left out.
fn all() -> Vec<Seen> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| stat(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
        .collect()
}

/// A line of `/proc/PID/stat`, see proc(5). The name, in brackets, may hold brackets and blanks.
fn stat(pid: i32, line: &str) -> Option<Seen> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // the third field of the manual is the first here
    let number = |n: usize| fields.get(n - 3).and_then(|f| f.parse::<u64>().ok());
    let id = |n: usize| number(n).and_then(|n| i32::try_from(n).ok());
    Some(Seen {
        pid,
        parent: id(4)?,
        group: id(5)?,
        session: id(6)?,
        ticks: number(14)? + number(15)?,
        born: number(22)?,
        pages: number(24)?,
    })
}

fn constant(name: nix::unistd::SysconfVar) -> u64 {
    let value = nix::unistd::sysconf(name).ok().flatten();
    value.and_then(|v| u64::try_from(v).ok()).filter(|v| *v > 0).unwrap_or(100)
}

fn page_kib() -> u64 {
    (constant(nix::unistd::SysconfVar::PAGE_SIZE) / 1024).max(1)
}

/// What supervisord itself uses.
#[derive(Debug, Default)]
pub struct Own {
    /// CPU seconds.
    pub cpu: f64,
    /// Resident bytes.
    pub resident: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub fds: u64,
    /// Descriptors that may be open.
    pub most_fds: u64,
}

impl Own {
    /// As of now; what cannot be read is 0.
    pub fn now() -> Own {
        let line = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let seen = stat(0, &line);
        let threads = line.rsplit_once(')').and_then(|(_, rest)| {
            rest.split_ascii_whitespace().nth(17).and_then(|f| f.parse().ok())
        });
        let hertz = constant(nix::unistd::SysconfVar::CLK_TCK) as f64;
        Own {
            cpu: seen.map_or(0.0, |s| s.ticks as f64 / hertz),
            resident: seen.map_or(0, |s| s.pages * page_kib() * 1024),
            threads: threads.unwrap_or(0),
            // the folder itself is open while it is read
            fds: std::fs::read_dir("/proc/self/fd").map_or(0, |d| d.count().saturating_sub(1))
                as u64,
            most_fds: nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
                .map_or(0, |(soft, _)| soft),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pid: i32, parent: i32, group: i32) -> Seen {
        Seen { pid, parent, group, session: group, ticks: 0, born: 0, pages: 0 }
    }

    #[test]
    fn stat_lines_are_read_whatever_the_name() {
        let line = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 99 1000 250 184";
        let found = stat(7, line).unwrap();
        assert_eq!((found.parent, found.ticks, found.born, found.pages), (1, 42, 99, 250));
        assert_eq!(stat(7, "7 (x) S"), None);
    }

    #[test]
    fn a_tree_holds_descendants_and_orphans_of_its_group() {
        let roots = HashMap::from([(10, ProcId(1)), (20, ProcId(2))]);
        let seen =
            [seen(10, 1, 10), seen(11, 10, 10), seen(12, 11, 12), seen(30, 1, 20), seen(40, 1, 40)];
        let owners = owners(&seen, &roots);
        assert_eq!(owners.get(&12), Some(&ProcId(1)));
        assert_eq!(owners.get(&30), Some(&ProcId(2)));
        assert_eq!(owners.get(&40), None);
    }

    #[test]
    fn the_test_itself_uses_memory_and_descriptors() {
        let own = Own::now();
        assert!(own.resident > 0 && own.fds > 2 && own.most_fds > 2 && own.threads > 0);
        assert!(all().iter().any(|s| s.pid == i32::try_from(std::process::id()).unwrap()));
    }
}

//! What the daemon takes, looked at from outside, and whether that grows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use crate::env::{TestEnv, proc_link, proc_stat, proc_text};

/// What must not grow at all. Of each kind of descriptors, too. Logs are open while they are written to,
/// so they are not among those; but each only once, by the name that it has, and two for each child.
const FIXED: [&str; 6] = ["fds", "threads", "children", "zombies", "procs", "stray"];
/// In KiB.
const MEMORY: [&str; 4] = ["RSS", "PSS", "anon", "heap"];

/// What memory may differ by between two looks by chance, in KiB: the allocator keeps what it once needed.
/// By that much the medians of many looks differ less.
const NOISE: f64 = 6144.0;
/// The least that is taken for growth, in KiB, however many looks there are.
const LEAST: f64 = 1024.0;
/// What memory may grow by for each operation beside that, in bytes. In a long run this decides.
const PER_OPERATION: f64 = 2.0;
/// By how much other numbers may differ by chance. The C library keeps the stacks of ended threads, with
/// two mappings each, as many as there have been at a time; files are those of logs just cleared.
const OTHERS: [(&str, f64); 2] = [("VMAs", 40.0), ("files", 4.0)];

/// One look.
#[derive(Debug, Clone)]
pub struct Sample {
    pub time: Duration,
    pub operations: u64,
    values: BTreeMap<String, f64>,
}

impl Sample {
    /// Looks at the daemon and all that it has started.
    pub fn take(env: &TestEnv, time: Duration, operations: u64) -> Sample {
        let pid = env.pid();
        let mut values: BTreeMap<String, f64> = BTreeMap::new();
        let mut set = |name: &str, value: f64| {
            values.insert(name.to_owned(), value);
        };
        let rollup = proc_text(pid, "smaps_rollup");
        set("RSS", kib(&rollup, "Rss:"));
        set("PSS", kib(&rollup, "Pss:"));
        set("anon", kib(&rollup, "Anonymous:"));
        let maps = proc_text(pid, "smaps");
        let heap = maps.split_once("[heap]").map_or("", |(_, rest)| rest);
        set("heap", kib(heap, "Rss:"));
        set("VMAs", proc_text(pid, "maps").lines().count() as f64);
        set("threads", entries(&format!("/proc/{pid}/task")).len() as f64);
        let (mut children, mut zombies, mut processes) = (0.0, 0.0, 0.0);
        // What the daemon starts has the socket's name in its environment, and so have its children.
        let mark = format!("SUPERVISOR_SERVER_URL=unix://{}", env.socket().display());
        for name in entries("/proc") {
            let Ok(other) = name.parse::<i32>() else { continue };
            let stat = proc_stat(other);
            if stat.get(1).is_some_and(|parent| *parent == pid.to_string()) {
                children += 1.0;
                zombies += f64::from(stat[0] == "Z");
            }
            processes += f64::from(proc_text(other, "environ").contains(&mark));
        }
        set("children", children);
        set("zombies", zombies);
        set("procs", processes);
        set("files", env.list("logs").len() as f64);
        let (mut logs, mut stray, mut others) = (BTreeSet::new(), 0.0, 0.0);
        for name in entries(&format!("/proc/{pid}/fd")) {
            let link = proc_link(pid, &format!("fd/{name}"));
            // Gone in the meantime.
            if link.is_empty() {
            } else if !is_log(&link) {
                others += 1.0;
                *values.entry(format!("fd {}", kind(&link))).or_default() += 1.0;
            } else if link.ends_with(" (deleted)") || is_rotated(&link) || !logs.insert(link) {
                stray += 1.0;
            }
        }
        values.insert("fds".to_owned(), others);
        let many = (logs.len() as f64 - 2.0 * children).max(0.0);
        values.insert("stray".to_owned(), stray + many);
        Sample { time, operations, values }
    }

    fn value(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or(0.0)
    }

    /// Names of what must not grow, as far as it is there.
    fn fixed(&self) -> impl Iterator<Item = &str> {
        let is_fixed = |name: &&str| FIXED.contains(name) || name.starts_with("fd ");
        self.values.keys().map(String::as_str).filter(is_fixed)
    }

    /// Whether it has no more of what must not grow than another.
    pub fn is_within(&self, base: &Sample) -> bool {
        self.fixed().all(|name| self.value(name) <= base.value(name))
    }

    /// Lowers a base to what is now known to be possible.
    pub fn lower(&self, base: &mut Sample) {
        let names: Vec<String> = base.fixed().map(str::to_owned).collect();
        for name in names {
            let least = self.value(&name).min(base.value(&name));
            base.values.insert(name, least);
        }
    }
}

fn entries(folder: &str) -> Vec<String> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    all.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

/// The first number after a key of smaps.
fn kib(text: &str, key: &str) -> f64 {
    let line = text.lines().find_map(|l| l.strip_prefix(key));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0)
}

/// What a descriptor is, by its link.
fn kind(link: &str) -> &str {
    match link.split_once(':') {
        Some(("anon_inode", name)) => name.trim_matches(['[', ']']),
        Some((kind @ ("socket" | "pipe"), _)) => kind,
        _ if link.ends_with("/dev/null") => "null",
        _ => "file",
    }
}

/// A log of a program, as far as can be seen.
fn is_log(link: &str) -> bool {
    link.contains("/logs/") || link.contains("---supervisor-")
}

fn is_rotated(link: &str) -> bool {
    link.rsplit_once('.').is_some_and(|(_, end)| end.parse::<u32>().is_ok())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}

/// All looks after the warm-up.
pub struct Record {
    /// The least of what must not grow that was seen until the end of the warm-up.
    pub base: Sample,
    pub samples: Vec<Sample>,
}

impl Record {
    /// Growth for each thousand operations, by least squares.
    fn slope(&self, name: &str) -> f64 {
        let n = self.samples.len() as f64;
        let points = || self.samples.iter().map(|s| (s.operations as f64 / 1e3, s.value(name)));
        let (sx, sy) = points().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + y));
        let (mx, my) = (sx / n, sy / n);
        let (over, under) = points().fold((0.0, 0.0), |(over, under), (x, y)| {
            (over + (x - mx) * (y - my), under + (x - mx).powi(2))
        });
        if under == 0.0 { 0.0 } else { over / under }
    }

    /// Medians of the first and the last third, and the number of operations between these.
    fn thirds(&self, name: &str) -> (f64, f64, f64) {
        let third = self.samples.len().div_ceil(3);
        let (first, last) = (&self.samples[..third], &self.samples[self.samples.len() - third..]);
        let of = |part: &[Sample]| median(part.iter().map(|s| s.value(name)).collect());
        let at = |part: &[Sample]| median(part.iter().map(|s| s.operations as f64).collect());
        (of(first), of(last), at(last) - at(first))
    }

    /// The table of samples, of which at most so many, and what there is to say about each column.
    pub fn table(&self, most: usize) -> String {
        let columns: Vec<&str> = [&MEMORY[..], &["VMAs"], &FIXED, &["files"]].concat();
        let mut out = format!("{:>7} {:>9}", "seconds", "done");
        for name in &columns {
            write!(out, " {name:>9}").unwrap();
        }
        let each = self.samples.len().div_ceil(most).max(1);
        for s in self.samples.iter().rev().step_by(each).collect::<Vec<_>>().into_iter().rev() {
            write!(out, "\n{:>7.1} {:>9}", s.time.as_secs_f64(), s.operations).unwrap();
            for name in &columns {
                write!(out, " {:>9}", s.value(name)).unwrap();
            }
        }
        write!(out, "\n\nper 1000 done    ").unwrap();
        for name in &columns {
            write!(out, " {:>9.3}", self.slope(name)).unwrap();
        }
        write!(out, "\nfirst to last third").unwrap();
        for name in &columns {
            let (first, last, _) = self.thirds(name);
            write!(out, " {:>+9.1}", last - first).unwrap();
        }
        let kinds: Vec<String> =
            self.base.fixed().filter_map(|n| n.strip_prefix("fd ")).map(str::to_owned).collect();
        write!(out, "\n\ndescriptors, at the beginning and at the end:").unwrap();
        for kind in kinds {
            let name = format!("fd {kind}");
            let last = self.samples.last().map_or(0.0, |s| s.value(&name));
            write!(out, " {kind} {} {last};", self.base.value(&name)).unwrap();
        }
        out
    }

    /// What has grown, in words.
    pub fn growth(&self) -> Vec<String> {
        let mut found = Vec::new();
        for sample in &self.samples {
            for name in sample.fixed() {
                let (now, base) = (sample.value(name), self.base.value(name));
                if now > base {
                    let time = sample.time.as_secs_f64();
                    found.push(format!("{name}: {now} after {time:.1} s, {base} before"));
                }
            }
        }
        for name in MEMORY {
            let (first, last, operations) = self.thirds(name);
            let noise = (NOISE / (self.samples.len() as f64).sqrt()).max(LEAST);
            let bound = noise + PER_OPERATION * operations / 1024.0;
            if last - first > bound {
                found.push(format!(
                    "{name}: {first} to {last} KiB in {operations} operations, {:.3} KiB per 1000; \
                     {bound:.0} KiB are allowed",
                    self.slope(name)
                ));
            }
        }
        for (name, bound) in OTHERS {
            let (first, last, _) = self.thirds(name);
            if last - first > bound {
                found.push(format!("{name}: {first} to {last}"));
            }
        }
        found
    }
}

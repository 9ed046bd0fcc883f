//! Double-entry bookkeeping for logs: a program that writes records and keeps a journal of them, and
//! a comparison of files with the journal.
//!
//! A record has 16 bytes: a letter for the stream, the number, a check number that keeps two halves
//! of different records from looking like one, and a newline. The journal has a line for each write,
//! made before it; a write of so little goes into a pipe as a whole or, if the program is killed, not
//! at all.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The environment variable with the journal's name that makes the test binary the writer.
pub const ASKED: &str = "LEDGER_JOURNAL";
const RECORD: usize = 16;
/// Most records of a write: with escape sequences they still fit into PIPE_BUF.
const BATCH: usize = 100;

/// Numbers that look random.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

fn record(mark: char, number: u64) -> String {
    let check = number.wrapping_mul(2_654_435_761) >> 7;
    format!("{mark}{number:07}{:07}\n", check % 10_000_000)
}

/// The number of a record that is whole.
fn number(bytes: &[u8]) -> Option<(char, u64)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mark = text.chars().next()?;
    let number = text.get(1..8)?.parse().ok()?;
    (record(mark, number) == text).then_some((mark, number))
}

/// The number that stands before a text.
pub fn number_before(line: &str, text: &str) -> u64 {
    let (before, _) = line.split_once(text).unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The writer, if this process is to be it: records to the descriptors 3 and 4 until a file with the
/// journal's name and `.stop` is there. With `.colours` each record is wrapped in escape sequences, with
/// `.fast` there are hardly any pauses, with `.narrow` its pipes hold one page.
pub fn write_if_asked() {
    let Some(journal) = std::env::var_os(ASKED) else { return };
    let aside = |end: &str| {
        let mut name = journal.clone();
        name.push(end);
        PathBuf::from(name)
    };
    let (colours, fast) = (aside(".colours").exists(), aside(".fast").exists());
    let mut next = Journal::read(Path::new(&journal)).end();
    let mut random = Random::new(next + 7);
    let mut book = File::options().append(true).create(true).open(&journal).unwrap();
    // By the links, as these descriptors came over the exec.
    let streams = [("O", 3), ("E", 4)].map(|(mark, fd)| {
        (mark, File::options().write(true).open(format!("/proc/self/fd/{fd}")).unwrap())
    });
    if aside(".narrow").exists() {
        use nix::fcntl::{FcntlArg, fcntl};
        for (_, stream) in &streams {
            fcntl(stream, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        }
    }
    writeln!(book, "life").unwrap();
    while !aside(".stop").exists() {
        let (mark, stream) = &streams[random.below(2)];
        let count = 3 + random.below(BATCH - 3) as u64;
        let mut text = String::new();
        for n in next..next + count {
            let record = record(mark.chars().next().unwrap(), n);
            if colours {
                let (body, _) = record.split_at(RECORD - 1);
                text += &format!("\x1b[3{}m{body}\x1b[0m\n", n % 8);
            } else {
                text += &record;
            }
        }
        book.write_all(format!("{mark} {next} {}\n", next + count).as_bytes()).unwrap();
        next += count;
        (&*stream).write_all(text.as_bytes()).unwrap();
        let pause = random.below(if fast { 100 } else { 1500 }) as u64;
        std::thread::sleep(std::time::Duration::from_micros(pause));
    }
    std::process::exit(0);
}

/// One write.
struct Batch {
    mark: char,
    from: u64,
    to: u64,
    /// The last before a kill: it may not have been made.
    doubtful: bool,
}

/// All writes.
pub struct Journal(Vec<Batch>);

impl Journal {
    pub fn read(path: &Path) -> Journal {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut all: Vec<Batch> = Vec::new();
        for line in text.lines() {
            if line == "life" {
                if let Some(last) = all.last_mut() {
                    last.doubtful = true;
                }
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            all.push(Batch {
                mark: words[0].chars().next().unwrap(),
                from: words[1].parse().unwrap(),
                to: words[2].parse().unwrap(),
                doubtful: false,
            });
        }
        Journal(all)
    }

    fn end(&self) -> u64 {
        self.0.last().map_or(0, |b| b.to)
    }
}

/// All files of a folder.
pub fn files(folder: &Path) -> Vec<(PathBuf, Metadata)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.filter_map(|p| p.metadata().ok().map(|m| (p, m))).filter(|(_, m)| m.is_file()).collect()
}

/// The files that one log has become, each once.
pub struct Pieces(Vec<(PathBuf, Vec<u8>)>);

/// Files compared with a journal.
#[derive(Debug)]
pub struct Outcome {
    /// Bytes that the program has written for certain, or that were found.
    pub written: u64,
    /// Of these, those in no file.
    pub missing: u64,
    /// Where they should have been: first byte, number of bytes.
    pub holes: Vec<(usize, usize)>,
    /// Bytes of each write that was cut short by a kill and of which there is no trace: they were
    /// written and lost, or never written.
    pub doubtful: Vec<u64>,
}

impl Pieces {
    /// Those whose names begin with `log`.
    pub fn collect(folders: &[&Path], log: &str) -> Pieces {
        let mut seen = Vec::new();
        let mut all = Vec::new();
        for (path, meta) in folders.iter().flat_map(|folder| files(folder)) {
            let ours = path.file_name().unwrap().to_str().unwrap().starts_with(log);
            let file = (meta.dev(), meta.ino());
            if ours && meta.len() > 0 && !seen.contains(&file) {
                seen.push(file);
                let bytes = std::fs::read(&path).unwrap();
                all.push((path, bytes));
            }
        }
        // By the first record that is whole; what has none can only be the newest, or a mistake
        // which the comparison finds.
        all.sort_by_key(|(_, bytes)| {
            records(bytes).next().map_or(u64::MAX, |(_, (_, number))| number)
        });
        Pieces(all)
    }

    /// Compares them with what was written with one of these marks.
    pub fn compare(&self, journal: &Journal, marks: &str) -> Outcome {
        let content: Vec<u8> = self.0.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let found: Vec<(usize, (char, u64))> = records(&content).collect();
        let there: HashMap<u64, usize> = found.iter().map(|(at, (_, n))| (*n, *at)).collect();
        assert_eq!(there.len(), found.len(), "records stand in the files twice");
        let (mut want, mut doubtful, mut places) = (Vec::new(), Vec::new(), HashMap::new());
        for batch in journal.0.iter().filter(|b| marks.contains(b.mark)) {
            if batch.doubtful && (batch.from..batch.to).all(|n| !there.contains_key(&n)) {
                doubtful.push((batch.to - batch.from) * RECORD as u64);
                continue;
            }
            for n in batch.from..batch.to {
                places.insert((batch.mark, n), want.len());
                want.extend_from_slice(record(batch.mark, n).as_bytes());
            }
        }
        let holes = self.holes(&content, &found, &want, &places);
        let missing = holes.iter().map(|(_, n)| *n as u64).sum();
        Outcome { written: want.len() as u64, missing, holes, doubtful }
    }

    /// Lays the content over what is wanted: between two whole records there may be the beginning of
    /// one and the end of another, with a hole between them.
    fn holes(
        &self,
        content: &[u8],
        found: &[(usize, (char, u64))],
        want: &[u8],
        places: &HashMap<(char, u64), usize>,
    ) -> Vec<(usize, usize)> {
        let mut holes = Vec::new();
        let (mut read, mut reached) = (0, 0);
        let ends = (content.len(), want.len());
        let anchors = found.iter().map(|(at, what)| {
            let place = places.get(what).unwrap_or_else(|| panic!("{what:?} was never written"));
            (*at, *place)
        });
        for (at, place) in anchors.chain([ends]) {
            let between = content.get(read..at).unwrap();
            assert!(place >= reached, "not in order: {}", self.around(content, at));
            let gap = &want[reached..place];
            let begun = between.iter().zip(gap).take_while(|(a, b)| a == b).count();
            let rest = &between[begun..];
            assert!(
                gap[begun..].ends_with(rest),
                "bytes that nobody wrote here: {}",
                self.around(content, at)
            );
            let hole = gap.len() - between.len();
            if hole > 0 {
                holes.push((reached + begun, hole));
            }
            (read, reached) = ((at + RECORD).min(ends.0), (place + RECORD).min(ends.1));
        }
        holes
    }

    fn around(&self, content: &[u8], at: usize) -> String {
        let part = &content[at.saturating_sub(60)..(at + 60).min(content.len())];
        let (mut file, mut left) = (None, at);
        for (path, bytes) in &self.0 {
            if left < bytes.len() {
                file = Some((path.display(), left));
                break;
            }
            left -= bytes.len();
        }
        format!("{:?} at byte {at}, {file:?}", String::from_utf8_lossy(part))
    }
}

/// The records that are whole, with their places.
fn records(bytes: &[u8]) -> impl Iterator<Item = (usize, (char, u64))> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(part) = bytes.get(at..at + RECORD) {
            let here = at;
            match number(part) {
                Some(number) => {
                    at += RECORD;
                    return Some((here, number));
                }
                None => at += 1,
            }
        }
        None
    })
}

//! The logs never lie: while a program writes numbered records, its logs are rotated, opened again,
//! moved, copied and truncated, cleared, the disk fills up and the program is killed, in random order.
//! In the end every byte is in the files, in its place, or was counted as lost in the activity log.
//!
//! The order is random but not different each time; `LEDGER_SEED=N` tries another.
#![allow(clippy::unwrap_used)]

mod env;
mod ledger;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use env::{TestEnv, Value, proc_text, wait_for};
use ledger::{Journal, Pieces, Random};
use nix::sys::signal::Signal;

/// A rotated log has so many bytes, and a little more.
const MAXBYTES: u64 = 30_000;
/// For what was kept to be written.
const PATIENCE: Duration = Duration::from_secs(30);
/// A file of fewer bytes cannot be told apart by the records in it, so none is moved.
const ENOUGH: u64 = 400;

/// Not a test: the program that the daemons of the tests here run.
#[test]
fn writes_numbered_records_when_it_is_the_program() {
    ledger::write_if_asked();
}

/// What is under test: one program, its daemon and where its logs are.
struct Scene {
    env: TestEnv,
    /// The folder of the logs, as we see it.
    logs: PathBuf,
    random: Random,
    /// Files moved away or copied so far.
    moved: usize,
    /// Names of the logs.
    names: Vec<&'static str>,
    /// Times that a rotation may have come between us and a clearing: bytes are gone then that
    /// the client wanted gone.
    crossed: usize,
}

/// What stands in the program's section.
fn section(env: &TestEnv, folder: &str, maxbytes: u64, options: &str) -> String {
    let program = std::env::current_exe().unwrap();
    format!(
        "[program:w]\ncommand=/bin/sh -c 'exec 3>&1 4>&2 >/dev/null 2>&1; exec {} --exact \
         writes_numbered_records_when_it_is_the_program'\n\
         environment={}=\"{}\"\nstartsecs=0\nautorestart=unexpected\n\
         stdout_logfile={folder}/w.out\nstderr_logfile={folder}/w.err\n\
         stdout_logfile_maxbytes={maxbytes}\nstderr_logfile_maxbytes={maxbytes}\n\
         stdout_logfile_backups=300\nstderr_logfile_backups=300\n{options}\n",
        program.display(),
        ledger::ASKED,
        env.path("journal").display(),
    )
}

impl Scene {
    fn new(env: TestEnv, logs: PathBuf, seed: u64, names: Vec<&'static str>) -> Scene {
        let seed = std::env::var("LEDGER_SEED").map_or(seed, |s| s.parse().unwrap());
        println!("seed {seed}");
        Scene { env, logs, random: Random::new(seed), moved: 0, names, crossed: 0 }
    }

    fn pause(&mut self) {
        // Not a synchronisation: what comes next may come at any moment.
        let time = self.random.below(30) as u64;
        std::thread::sleep(Duration::from_millis(time));
    }

    /// The logs that are being written to now.
    fn current(&self) -> Vec<PathBuf> {
        self.names.iter().map(|n| self.logs.join(n)).filter(|p| p.exists()).collect()
    }

    fn fresh(&mut self, file: &Path, what: &str) -> PathBuf {
        self.moved += 1;
        let name = file.file_name().unwrap().to_str().unwrap();
        self.logs.join(format!("{name}-{what}-{}", self.moved))
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Wait => {}
            Step::Reopen => self.env.signal(Signal::SIGUSR2),
            Step::Move => self.move_away(),
            Step::CopyTruncate => self.copy_and_truncate(),
            Step::Clear => self.clear(),
            Step::Kill => self.kill(),
            Step::Fill => self.fill(),
            Step::Free => {
                let _ = std::fs::remove_file(self.logs.join("filler"));
            }
        }
        self.pause();
    }

    /// As logrotate does it.
    fn move_away(&mut self) {
        for file in self.current() {
            // A rotation may take it away first.
            if file.metadata().is_ok_and(|m| m.len() >= ENOUGH) {
                let to = self.fresh(&file, "moved");
                let _ = std::fs::rename(&file, to);
            }
        }
        if self.random.below(2) == 0 {
            self.pause();
        }
        self.env.signal(Signal::SIGUSR2);
    }

    /// As logrotate's copytruncate does it, but with a daemon that stands still meanwhile: what is
    /// written between the copy and the truncation is lost through no fault of its.
    fn copy_and_truncate(&mut self) {
        let pid = self.env.pid();
        self.env.signal(Signal::SIGSTOP);
        wait_for("the daemon to stand still", || {
            let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            threads
                .all(|t| {
                    let name = t.unwrap().file_name().into_string().unwrap();
                    let stat = proc_text(pid, &format!("task/{name}/stat"));
                    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
                })
                .then_some(())
        });
        for file in self.current() {
            if file.metadata().unwrap().len() >= ENOUGH {
                // On another disk, as this one may be full.
                let name = self.fresh(&file, "copied");
                let to = self.env.path("logs").join(name.file_name().unwrap());
                std::fs::copy(&file, to).unwrap();
                std::fs::File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
            }
        }
        self.env.signal(Signal::SIGCONT);
    }

    /// What is cleared stays under a second name, for us.
    fn clear(&mut self) {
        let mut kept = Vec::new();
        // One that was moved away comes back with the signal; it must not do so between our look at
        // it and its end.
        let current = wait_for("all logs to be there", || {
            Some(self.current()).filter(|all| all.len() == self.names.len())
        });
        for file in current {
            let to = self.fresh(&file, "cleared");
            if std::fs::hard_link(&file, &to).is_ok() {
                kept.push((file, to));
            }
        }
        assert_eq!(self.env.sup("clearProcessLogs", &["w"]), Ok(Value::Bool(true)));
        let all = ledger::files(&self.logs);
        for (file, to) in kept {
            let inode = to.metadata().unwrap().ino();
            let rotated = format!("{}.", file.file_name().unwrap().to_str().unwrap());
            self.crossed += usize::from(all.iter().any(|(path, meta)| {
                let name = path.file_name().unwrap().to_str().unwrap();
                meta.ino() == inode && name.starts_with(&rotated)
            }));
        }
    }

    /// Takes all room that is left.
    fn fill(&mut self) {
        let mut filler =
            std::fs::File::options().append(true).create(true).open(self.logs.join("filler"));
        let block = vec![b'f'; 64 << 10];
        while let Ok(file) = &mut filler {
            if std::io::Write::write(file, &block).is_err() {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }

    fn kill(&mut self) {
        if let Ok(info) = self.env.sup("getProcessInfo", &["w"]) {
            let pid = info["pid"].as_i32().unwrap();
            if pid != 0 {
                // It may have ended; its number is not given to another so soon.
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    /// Ends the program and waits until the daemon knows.
    fn finish(&self) -> Journal {
        self.env.write("journal.stop", "");
        wait_for("the program to end", || {
            (self.env.state("w") == "EXITED" && self.env.number_of("w", "exitstatus") == 0)
                .then_some(())
        });
        Journal::read(&self.env.path("journal"))
    }

    /// The bytes of a log that were said to be lost, if so many are missing.
    fn balance(&self, journal: &Journal, log: &str, marks: &str) -> Result<u64, String> {
        let outcome = self.pieces(log).compare(journal, marks);
        let file = format!("/{log} ");
        let lines = self.env.log_with(" bytes were lost");
        let ours = lines.iter().filter(|line| line.contains(&file));
        let said: u64 = ours.map(|l| ledger::number_before(l, " bytes were lost")).sum();
        // A write that a kill cut short was made and lost, or was never made.
        let mut possible = vec![outcome.missing];
        for n in &outcome.doubtful {
            let with: Vec<u64> = possible.iter().map(|p| p + n).collect();
            possible.extend(with);
        }
        if possible.contains(&said) {
            return Ok(said);
        }
        Err(format!(
            "{log}: {said} bytes were said to be lost of {}, {} are missing ({possible:?}), \
             journal in {}",
            outcome.written,
            outcome.missing,
            self.env.dir().display()
        ))
    }

    fn pieces(&self, log: &str) -> Pieces {
        Pieces::collect(&[&self.logs, &self.env.path("logs")], log)
    }
}

/// What can happen to logs.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wait,
    Reopen,
    Move,
    CopyTruncate,
    Clear,
    Kill,
    Fill,
    Free,
}

/// One run.
struct Mix {
    /// Options of `[supervisord]` and of the program.
    options: (&'static str, &'static str),
    steps: usize,
    seed: u64,
    /// The logs, and the marks of the streams that they hold.
    logs: Vec<(&'static str, &'static str)>,
}

const BOTH: [(&str, &str); 2] = [("w.out", "O"), ("w.err", "E")];

impl Mix {
    fn names(&self) -> Vec<&'static str> {
        self.logs.iter().map(|(name, _)| *name).collect()
    }

    /// Everything but a full disk: nothing may be lost.
    fn nothing_is_lost(&self) {
        self.nothing_is_lost_by("");
    }

    /// The same by a writer that is told something.
    fn nothing_is_lost_by(&self, manner: &str) {
        use Step::{Clear, CopyTruncate, Kill, Move, Reopen, Wait};
        let mut env = TestEnv::new();
        if !manner.is_empty() {
            env.write(&format!("journal{manner}"), "");
        }
        let section = section(&env, "@DIR@/logs", MAXBYTES, self.options.1);
        env.configure_with(self.options.0, &section);
        env.start(&[]);
        let folder = env.path("logs");
        let mut scene = Scene::new(env, folder, self.seed, self.names());
        for _ in 0..self.steps {
            let all = [Wait, Reopen, Move, Move, CopyTruncate, CopyTruncate, Clear, Kill];
            let step = all[scene.random.below(all.len())];
            scene.step(step);
        }
        let journal = scene.finish();
        for (log, marks) in &self.logs {
            let outcome = scene.pieces(log).compare(&journal, marks);
            assert!(outcome.written > 20_000, "{log}: only {} bytes", outcome.written);
            assert!(
                outcome.holes.len() <= scene.crossed,
                "{log}: {outcome:?}, {} clearings crossed a rotation, files in {}",
                scene.crossed,
                scene.logs.display(),
            );
        }
        let said = scene.env.log_with("bytes were lost");
        assert!(said.is_empty(), "{said:?}");
    }

    /// With a disk that fills up and gets room again: what is missing was counted, to the byte.
    fn what_is_missing_was_counted(&self) {
        use Step::{CopyTruncate, Fill, Free, Kill, Move, Reopen, Wait};
        let mut env = TestEnv::new();
        env.write("journal.fast", "");
        let section = section(&env, "@DIR@/small", 2 * MAXBYTES, self.options.1);
        env.configure_with(self.options.0, &section);
        let Some(small) = env.start_with_disk("size=32m", "") else { return };
        let mut scene = Scene::new(env, small, self.seed, self.names());
        for _ in 0..self.steps {
            let all = [Wait, Reopen, Move, CopyTruncate, Kill, Fill, Fill, Free];
            let step = all[scene.random.below(all.len())];
            scene.step(step);
        }
        scene.step(Step::Free);
        let journal = scene.finish();
        let mut lost = 0;
        for (log, marks) in &self.logs {
            // What was kept while the disk was full is written at the next try.
            let end = Instant::now() + PATIENCE;
            lost += loop {
                match scene.balance(&journal, log, marks) {
                    Ok(lost) => break lost,
                    Err(e) => assert!(Instant::now() < end, "{e}"),
                }
                std::thread::sleep(Duration::from_millis(100));
            };
        }
        assert!(lost > 0, "the disk was never full for long enough");
    }
}

#[test]
fn two_logs_that_are_rotated_moved_cleared_and_truncated_hold_every_byte() {
    Mix { options: ("", ""), steps: 120, seed: 1, logs: BOTH.to_vec() }.nothing_is_lost();
}

#[test]
fn a_log_for_both_streams_holds_every_byte_in_the_order_of_writing() {
    let options = ("", "redirect_stderr=true");
    Mix { options, steps: 120, seed: 2, logs: vec![("w.out", "OE")] }.nothing_is_lost();
}

#[test]
fn escape_sequences_go_and_nothing_else() {
    let options = ("strip_ansi=true", "");
    Mix { options, steps: 120, seed: 3, logs: BOTH.to_vec() }.nothing_is_lost_by(".colours");
}

#[test]
fn pipes_of_one_page_are_no_loss() {
    // What users get who have used up fs.pipe-user-pages-soft.
    Mix { options: ("", ""), steps: 60, seed: 6, logs: BOTH.to_vec() }
        .nothing_is_lost_by(".narrow");
}

#[test]
fn on_a_disk_that_is_full_at_times_what_is_missing_was_counted_to_the_byte() {
    Mix { options: ("", ""), steps: 60, seed: 4, logs: BOTH.to_vec() }
        .what_is_missing_was_counted();
}

#[test]
fn so_it_was_for_a_log_of_both_streams() {
    let options = ("", "redirect_stderr=true");
    Mix { options, steps: 60, seed: 5, logs: vec![("w.out", "OE")] }.what_is_missing_was_counted();
}

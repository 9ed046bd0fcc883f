//! The shipped Celery example, with Celery from PyPI: all that the usual tutorials show.
//!
//! Celery is installed once into the folder that cargo keeps for tests. Where it cannot be had,
//! the test says so and passes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod env;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use env::{TestEnv, alive, wait_for};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CELERY: &str = "celery==5.5.3";
const WORKERS: [&str; 2] = ["scan:scan_00", "scan:scan_01"];

/// The folder with the program `celery`, or why there is none.
fn celery() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(folder).unwrap();
    let venv = folder.join("celery");
    let ready = venv.join("ready");
    // Another run of the tests may be installing just now.
    let lock = File::create(folder.join("celery.lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, e)| e).unwrap();
    // A folder that was moved or copied, or whose Python has gone, is of no use any more.
    let wanted = format!("{CELERY} in {}\n", venv.display());
    let works = || run(Command::new(venv.join("bin/celery")).arg("--version")).is_ok();
    if fs::read_to_string(&ready).is_ok_and(|have| have == wanted) && works() {
        return Ok(venv.join("bin"));
    }
    let _ = fs::remove_dir_all(&venv);
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    run(pip.args(["--retries", "2", "--timeout", "20", CELERY]))?;
    fs::write(ready, wanted).unwrap();
    Ok(venv.join("bin"))
}

/// What a program prints, or why it failed.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let out = command.output().map_err(|e| format!("{name}: {e}"))?;
    match out.status.success() {
        true => Ok(String::from_utf8_lossy(&out.stdout).into_owned()),
        false => {
            let text = String::from_utf8_lossy(&out.stderr).into_owned();
            Err(format!("{name}: {}", text.trim().lines().last().unwrap_or("failed")))
        }
    }
}

/// The processes that say this of themselves, by what /proc knows of them.
fn processes(wanted: impl Fn(&Path) -> bool) -> Vec<i32> {
    let mut pids: Vec<i32> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| wanted(&entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

fn children(parent: i32) -> Vec<i32> {
    processes(|proc| {
        let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
        // After the name in parentheses, which may hold anything: state, parent.
        let parent_of = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        parent_of.and_then(|pid| pid.parse().ok()) == Some(parent)
    })
}

/// The example in a folder of its own, supervised.
struct Example {
    env: TestEnv,
    path: String,
}

impl Example {
    fn started(celery: &Path) -> Example {
        let mut env = TestEnv::new();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/celery");
        for file in ["supervisord.conf", "conf.d/scan.conf", "scan.py"] {
            env.write(file, &fs::read_to_string(example.join(file)).unwrap());
        }
        for folder in ["log", "run", "queue"] {
            fs::create_dir_all(env.path(folder)).unwrap();
        }
        std::os::unix::fs::symlink("run/supervisor.sock", env.socket()).unwrap();
        let path = format!("{}:{}", celery.display(), std::env::var("PATH").unwrap());
        let mut daemon = env.supervisord(&[]);
        // What its workers leave behind when they are killed lies in the test's folder.
        daemon.env("PATH", &path).env("TMPDIR", env.dir());
        env.start_as(daemon);
        Example { env, path }
    }

    /// Waits until both workers are RUNNING, with so many children each; gives their pids.
    fn wait_working(&self, size: usize) -> Vec<i32> {
        for worker in WORKERS {
            self.env.wait_state(worker, "RUNNING");
        }
        let pids: Vec<i32> = WORKERS.iter().map(|worker| self.env.pid_of(worker)).collect();
        for pid in &pids {
            wait_for("the children of a worker", || (children(*pid).len() == size).then_some(()));
        }
        pids
    }

    /// Gives a task to whichever worker takes it, by the client of Celery; gives its id.
    fn call(&self, task: &str, arguments: &str) -> String {
        let mut client = Command::new("celery");
        client.current_dir(self.env.dir()).env("PATH", &self.path);
        client.args(["-A", "scan", "call", task]).arg(format!("--args={arguments}"));
        run(&mut client).unwrap().trim().to_owned()
    }

    fn outcome(&self, id: &str) -> String {
        self.env.read(&format!("queue/celery-task-meta-{id}"))
    }

    /// One task from the client to its result.
    fn task_runs(&self) {
        let id = self.call("scan.count", r#"["conf.d"]"#);
        let outcome = wait_for("a task to be done", || {
            Some(self.outcome(&id)).filter(|text| text.contains("SUCCESS"))
        });
        assert!(outcome.contains(r#""files": 1"#), "{outcome}");
        assert!(outcome.contains(r#""worker": "scan_0"#), "{outcome}");
    }

    /// What both workers wrote into their own logs, or to us.
    fn logs(&self, ending: &str) -> String {
        ["log/scan_00", "log/scan_01"]
            .map(|name| self.env.read(&format!("{name}{ending}")))
            .concat()
    }

    /// Processes that work in our folder.
    fn all(&self) -> Vec<i32> {
        processes(|proc| fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd == self.env.dir()))
    }
}

#[test]
fn the_tutorial_works_with_celery_from_pypi() {
    let celery = match celery() {
        Ok(folder) => folder,
        Err(why) => {
            // Not println!, which is shown for failed tests only.
            let _ = writeln!(std::io::stderr(), "\nskipped: no {CELERY} to be had: {why}");
            return;
        }
    };
    let mut example = Example::started(&celery);
    runs_and_logs(&example);
    a_killed_worker_comes_back(&example);
    an_edit_is_taken_over(&example);
    reload_starts_all_anew(&example);
    shutdown_leaves_nothing_behind(&mut example);
}

fn runs_and_logs(example: &Example) {
    let env = &example.env;
    let pids = example.wait_working(3);
    let status = env.ctl_text(&["status"]);
    for (line, (worker, pid)) in status.lines().zip(WORKERS.iter().zip(&pids)) {
        assert!(
            line.starts_with(&format!("{worker:<32} RUNNING   pid {pid}, uptime 0:00:")),
            "{line}"
        );
    }
    assert_eq!(status.lines().count(), 2, "{status}");
    for n in ["00", "01"] {
        // Relative to directory=, quotes removed.
        env.wait_text(&format!("log/pid_{n}.txt"), "\n");
        env.wait_text(&format!("log/scan_{n}.out"), "[queues]");
        let tail = env.ctl_text(&["tail", "-4000", &format!("scan:scan_{n}")]);
        assert!(tail.contains(&format!(" scan_{n}@")) && tail.contains("touchscan"), "{tail}");
    }
    example.task_runs();
    // Celery's own log file.
    assert!(example.logs(".log").contains("scanning"));
}

fn a_killed_worker_comes_back(example: &Example) {
    let env = &example.env;
    let before = example.wait_working(3);
    let pool = children(before[0]);
    kill(Pid::from_raw(before[0]), Signal::SIGKILL).unwrap();
    let exited = "exited: scan_00 (terminated by SIGKILL; not expected)";
    env.wait_text("log/supervisord.log", exited);
    wait_for("a new pid", || (![0, before[0]].contains(&env.pid_of(WORKERS[0]))).then_some(()));
    let after = example.wait_working(3);
    assert_eq!(after[1], before[1], "the other worker is left alone");
    wait_for("the old children to be gone", || {
        // Or zombies: in a container process 1 may be one that does not reap.
        (!pool.iter().any(|pid| alive(*pid))).then_some(())
    });
    example.task_runs();
}

fn an_edit_is_taken_over(example: &Example) {
    let env = &example.env;
    let before = example.wait_working(3);
    let file = env.read("conf.d/scan.conf");
    env.write("conf.d/scan.conf", &file.replace(" -c 3\n", " -c 2\n"));
    assert_eq!(env.ctl_text(&["reread"]), "scan: changed\n");
    assert_eq!(example.wait_working(3), before, "nothing happens before update");
    assert_eq!(env.ctl_text(&["update"]), "scan: stopped\nscan: updated process group\n");
    let after = example.wait_working(2);
    assert!(after.iter().all(|pid| !before.contains(pid)));
    assert_eq!(env.ctl_text(&["update"]), "");
    assert_eq!(env.ctl_text(&["reread"]), "No config updates to processes\n");
}

fn reload_starts_all_anew(example: &Example) {
    let env = &example.env;
    let before = example.wait_working(2);
    assert_eq!(env.ctl_text(&["reload"]), "Restarted supervisord\n");
    wait_for("supervisord to be back", || {
        let pid = env.sup("getProcessInfo", &[WORKERS[0]]).ok()?["pid"].as_i32()?;
        (![0, before[0]].contains(&pid)).then_some(())
    });
    let after = example.wait_working(2);
    assert!(after.iter().all(|pid| !before.contains(pid)));
    assert_eq!(env.ctl_text(&["pid"]), format!("{}\n", env.pid()), "the daemon is the same");
    example.task_runs();
}

fn shutdown_leaves_nothing_behind(example: &mut Example) {
    example.wait_working(2);
    let id = example.call("scan.nap", "[1]");
    wait_for("the nap to begin", || example.logs(".log").contains("napping").then_some(()));
    assert!(example.all().len() > 2 * 3, "two workers with two children each, and the daemon");
    assert_eq!(example.env.ctl_text(&["shutdown"]), "Shut down\n");
    assert_eq!(example.env.wait_exit(), Some(0));
    assert_eq!(example.all(), [], "left behind");
    // A warm shutdown: the task in hand was finished.
    assert!(example.outcome(&id).contains("rested"), "{}", example.outcome(&id));
    assert!(example.logs(".out").contains("Warm shutdown"));
    for file in ["log/pid_00.txt", "log/pid_01.txt", "run/supervisor.sock", "run/supervisord.pid"] {
        assert!(!example.env.path(file).exists(), "{file}");
    }
}

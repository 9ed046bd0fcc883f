//! For tests: runs one test in a process of its own, since what it does changes the whole process.

use std::path::Path;
use std::process::{Command, Output};

const MARK: &str = "SUPERVISORD_TEST_ALONE";

/// Runs the test with this full name again, in a new process, with one file name to work with.
pub fn run(name: &str, file: &Path) -> Output {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(MARK, file)
        .output()
        .unwrap();
    // With a name that is not its own nothing would be run, and all would be well.
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "no test {name}: {text}");
    output
}

/// Runs the test with this full name in a process of its own, where it has to pass. False in that
/// process: what is to be done there follows.
pub fn was_run(name: &str) -> bool {
    if file().is_some() {
        return false;
    }
    let run = run(name, Path::new("/"));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    true
}

/// The file name, in the process that [`run`] made; none in an ordinary test run.
pub fn file() -> Option<std::path::PathBuf> {
    std::env::var_os(MARK).map(Into::into)
}

/// A name for a file that no other test uses.
pub fn fresh_file(stem: &str) -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("{stem}-{}-{n}", std::process::id()))
}

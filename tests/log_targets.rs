//! Where output can go, and that a target which does not take it never stops a program or the daemon:
//! bytes are kept, then counted as lost, said, and writing resumes.
#![allow(clippy::unwrap_used)]

mod env;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use env::{TestEnv, Value, is_root, skipped, wait_for};
use nix::sys::signal::Signal;

/// Writes a number of bytes (x, or as asked for) whenever a line asks for it, and tells in a file when it is through.
const WRITER: &str = "\
while read -r n c; do
    head -c $n /dev/zero | tr '\\0' ${c:-x}
    echo $n >> $1
done
";

fn writer(name: &str, log: &str) -> String {
    format!(
        "[program:{name}]\ncommand=/bin/sh @DIR@/writer.sh @DIR@/{name}.done\nstartsecs=0\n\
         stdout_logfile={log}\nstderr_logfile=NONE\n"
    )
}

/// Has a writer write, and waits until it could.
fn write(env: &TestEnv, name: &str, bytes: usize) {
    env.wait_state(name, "RUNNING");
    let done = format!("{name}.done");
    let before = env.read(&done).lines().count();
    env.sup("sendProcessStdin", &[name, &format!("{bytes}\n")]).unwrap();
    wait_for(&format!("{name} to get rid of {bytes} bytes"), || {
        (env.read(&done).lines().count() > before).then_some(())
    });
}

fn started(setup: impl FnOnce(&TestEnv), sections: &str) -> TestEnv {
    let mut env = TestEnv::new();
    env.write("writer.sh", WRITER);
    setup(&env);
    env.configure(sections);
    env.start(&[]);
    env
}

fn size(env: &TestEnv, file: &str) -> u64 {
    std::fs::metadata(env.path(file)).map_or(0, |m| m.len())
}

/// The number in "N bytes were lost" of the line about a file, once it works again.
fn lost(env: &TestEnv, file: &str) -> u64 {
    let line = wait_for("the target to work again", || {
        env.log_with(" works again after ").into_iter().find(|l| l.contains(file))
    });
    let words: Vec<&str> = line.split(' ').collect();
    let at = words.iter().position(|w| *w == "bytes").unwrap();
    words[at - 1].parse().unwrap()
}

#[test]
fn none_writes_nothing_anywhere() {
    let env = started(|_| (), &writer("w", "NONE"));
    write(&env, "w", 300_000);
    assert_eq!(env.list("logs"), [""; 0]);
    assert_eq!(env.text_of("w", "stdout_logfile"), "");
    let (code, _) = env
        .call("supervisor.readProcessStdoutLog", vec!["w".into(), 0.into(), 0.into()])
        .unwrap_err();
    assert_eq!(code, 20);
}

#[test]
fn auto_logs_are_private_named_after_the_process_and_last_until_the_next_start() {
    let mut env = started(
        |env| {
            for old in ["old-stdout---supervisor-abcdefgh.log", "old-stderr---supervisor-x.log.3"] {
                env.write(&format!("logs/{old}"), "x");
            }
            env.write("logs/other-stdout---someone-abcdefgh.log", "x");
            env.write("logs/plain.log", "x");
        },
        "[program:cat]\ncommand=/bin/cat\nstartsecs=0\n\
         [program:redir]\ncommand=/bin/cat\nstartsecs=0\nredirect_stderr=true\n\
         [program:off]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=AUTO\n\
         process_name=other_name\nstderr_logfile=none\n",
    );
    env.wait_state("cat", "RUNNING");
    let files = env.list("logs");
    let mut own: Vec<String> = Vec::new();
    for file in &files {
        let Some((start, rest)) = file.split_once("---supervisor-") else { continue };
        assert!(rest.len() == 12 && rest.ends_with(".log"), "{file}");
        let meta = std::fs::metadata(env.path("logs").join(file)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o600, "{file}");
        own.push(start.to_owned());
    }
    assert_eq!(own, ["cat-stderr", "cat-stdout", "other_name-stdout", "redir-stdout"]);
    assert_eq!(files.len(), own.len() + 2, "foreign files stay: {files:?}");
    let named = env.text_of("cat", "stdout_logfile");
    assert!(named.starts_with(env.path("logs/cat-stdout---supervisor-").to_str().unwrap()));
    env.sup("sendProcessStdin", &["cat", "hello\n"]).unwrap();
    wait_for("the output", || (std::fs::read(&named).unwrap() == b"hello\n").then_some(()));

    env.stop();
    assert_eq!(env.list("logs"), files, "they are there to be read after the end");
    env.start(&["-k"]);
    assert!(env.path("logs").join(&named).exists(), "kept with -k");
    env.stop();
    env.start(&[]);
    assert!(!env.path("logs").join(&named).exists());
}

#[test]
fn standard_output_of_the_daemon_is_a_target_even_as_a_pipe() {
    let mut env = TestEnv::new();
    env.configure(
        "[program:out]\ncommand=/bin/sh -c 'echo out; exec cat'\nstartsecs=0\n\
         stdout_logfile=/dev/stdout\nstderr_logfile=NONE\n\
         [program:fd]\ncommand=/bin/sh -c 'echo by number; exec cat'\nstartsecs=0\n\
         stdout_logfile=/dev/fd/1\nstdout_logfile_maxbytes=0\nstderr_logfile=NONE\n\
         [program:err]\ncommand=/bin/sh -c 'echo err >&2; exec cat'\nstartsecs=0\n\
         stdout_logfile=NONE\nstderr_logfile=/dev/stderr\n",
    );
    env.start_by_shell("mkfifo pipe; cat pipe > got & exec \"$@\" > pipe");
    env.wait_text("got", "out\n");
    env.wait_text("got", "by number\n");
    env.wait_text("sd.err", "err\n");
    let (code, _) = env
        .call("supervisor.readProcessStdoutLog", vec!["out".into(), 0.into(), 0.into()])
        .unwrap_err();
    assert_eq!(code, 30, "a pipe cannot be read back");
    assert_eq!(env.sup("clearProcessLogs", &["out"]), Ok(Value::Bool(true)));
    assert!(std::path::Path::new("/dev/stdout").exists());
}

#[test]
fn a_standard_output_that_nobody_reads_any_more_is_no_end() {
    let mut env = TestEnv::new();
    env.write("writer.sh", WRITER);
    env.configure(&writer("w", "/dev/stdout"));
    env.start_by_shell("mkfifo pipe; head -c 10 pipe > got & exec \"$@\" > pipe");
    env.wait_state("w", "RUNNING");
    write(&env, "w", 10);
    env.wait_text("got", "xxxxxxxxxx");
    for _ in 0..3 {
        write(&env, "w", 200_000);
    }
    assert_eq!(env.state("w"), "RUNNING");
}

#[test]
fn a_fifo_without_a_reader_holds_nobody_up() {
    let env = started(
        |env| {
            let made = Command::new("mkfifo").arg(env.path("fifo")).status().unwrap();
            assert!(made.success());
        },
        &writer("w", "@DIR@/fifo"),
    );
    env.wait_log("'w' stdout: cannot open", 1);
    write(&env, "w", 1_000_000);
    assert!(env.log_with("(ENXIO), trying again").len() == 1, "{:?}", env.log_lines());

    // A reader comes: what is written from now on reaches it.
    let mut reader = Command::new("/bin/sh")
        .args(["-c", "exec cat fifo > got"])
        .current_dir(env.dir())
        .spawn()
        .unwrap();
    wait_for("the reader to get something", || {
        write(&env, "w", 10);
        env.read("got").ends_with("xxxxxxxxxx").then_some(())
    });
    assert!(lost(&env, "fifo") >= 1_000_000);
    env.sup("stopProcess", &["w"]).unwrap();
    drop(env);
    assert!(reader.wait().unwrap().success());
}

#[test]
fn a_device_that_is_always_full_is_said_once_and_stops_nobody() {
    let env = started(|_| (), &(writer("full", "/dev/full") + &writer("fine", "@DIR@/fine.log")));
    write(&env, "full", 1_000_000);
    write(&env, "full", 1_000_000);
    write(&env, "fine", 1000);
    wait_for("the other log", || (size(&env, "fine.log") == 1000).then_some(()));
    let said = "WARN 'full' stdout: cannot write to /dev/full (ENOSPC), trying again";
    env.wait_log(said, 1);
    assert_eq!(env.log_with("/dev/full").len(), 1);
    env.sup("stopProcess", &["full"]).unwrap();
}

/// A small file system of its own, taken down when dropped.
struct Small(std::path::PathBuf);

impl Small {
    fn mounted(env: &TestEnv) -> Option<Small> {
        let path = env.path("small");
        std::fs::create_dir(&path).unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=128k", "none"])
            .arg(&path)
            .output();
        done.is_ok_and(|o| o.status.success()).then_some(Small(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: files of a daemon that outlives a failed test may be open still.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn on_a_full_disk_every_byte_is_written_or_counted() {
    if !is_root() {
        return;
    }
    let mut env = TestEnv::new();
    let Some(_small) = Small::mounted(&env) else { return skipped("no mount allowed here") };
    env.write("writer.sh", WRITER);
    env.configure(&(writer("w", "@DIR@/small/w.log") + &writer("fine", "@DIR@/fine.log")));
    env.start(&[]);
    env.wait_state("w", "RUNNING");
    write(&env, "w", 1000);
    wait_for("the log", || (size(&env, "small/w.log") == 1000).then_some(()));

    let filler = env.path("small/filler");
    let full = std::fs::write(&filler, vec![b'f'; 200_000]).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(libc_enospc()));
    write(&env, "w", 5_000);
    env.wait_log("'w' stdout: cannot write to", 1);
    // More than is kept.
    write(&env, "w", 600_000);
    write(&env, "fine", 1000);
    wait_for("the other log", || (size(&env, "fine.log") == 1000).then_some(()));

    std::fs::remove_file(&filler).unwrap();
    // 128 KB cannot hold what was kept either: make room in the log itself too, as an
    // administrator would.
    let make_room = || {
        let file = std::fs::OpenOptions::new().write(true).open(env.path("small/w.log")).unwrap();
        file.set_len(0).unwrap();
    };
    wait_for("all of it to be written", || {
        make_room();
        (!env.log_with("works again after ENOSPC").is_empty()).then_some(())
    });
    make_room();
    assert!(lost(&env, "small/w.log") >= 300_000);
    // What the pipe still held may come now; it is what comes after it that counts.
    env.sup("sendProcessStdin", &["w", "777 y\n"]).unwrap();
    let new = || env.read("small/w.log").matches('y').count();
    wait_for("new output", || (new() == 777).then_some(()));
}

fn libc_enospc() -> i32 {
    nix::errno::Errno::ENOSPC as i32
}

#[test]
fn a_limit_on_file_sizes_is_no_end_of_the_daemon() {
    let mut env = TestEnv::new();
    env.write("writer.sh", WRITER);
    env.configure(&writer("w", "@DIR@/w.log"));
    // In blocks of 512 or 1024 bytes: 100 KB or so.
    env.start_by_shell("ulimit -f 100; exec \"$@\"");
    env.wait_state("w", "RUNNING");
    for _ in 0..3 {
        write(&env, "w", 200_000);
    }
    env.wait_log("'w' stdout: cannot write to", 1);
    env.wait_log("(EFBIG), trying again", 1);
    assert_eq!(env.state("w"), "RUNNING");
}

#[test]
fn a_folder_that_vanishes_and_comes_back_costs_nothing_that_was_kept() {
    let env = started(
        |env| std::fs::create_dir(env.path("var")).unwrap(),
        &writer("w", "@DIR@/var/w.log"),
    );
    env.wait_state("w", "RUNNING");
    write(&env, "w", 10);
    wait_for("the log", || (size(&env, "var/w.log") == 10).then_some(()));

    std::fs::remove_dir_all(env.path("var")).unwrap();
    env.signal(Signal::SIGUSR2);
    env.wait_log("'w' stdout: cannot open", 1);
    assert_eq!(env.log_with("(ENOENT), trying again").len(), 1);
    write(&env, "w", 100_000);
    std::fs::create_dir(env.path("var")).unwrap();
    wait_for("the log to come back", || (size(&env, "var/w.log") == 100_000).then_some(()));
    assert_eq!(lost(&env, "var/w.log"), 0);
    write(&env, "w", 5);
    wait_for("new output", || (size(&env, "var/w.log") == 100_005).then_some(()));
}

#[test]
fn a_deleted_log_is_made_again_at_the_next_start_of_the_program() {
    let env = started(|_| (), &writer("w", "@DIR@/w.log"));
    env.wait_state("w", "RUNNING");
    write(&env, "w", 10);
    wait_for("the log", || (size(&env, "w.log") == 10).then_some(()));
    std::fs::remove_file(env.path("w.log")).unwrap();
    env.sup("stopProcess", &["w"]).unwrap();
    env.sup("startProcess", &["w"]).unwrap();
    write(&env, "w", 20);
    wait_for("the new log", || (size(&env, "w.log") == 20).then_some(()));
}

#[test]
fn log_files_are_not_writable_by_others_even_with_umask_0() {
    let mut env = TestEnv::new();
    env.configure("[program:w]\ncommand=/bin/cat\nstartsecs=0\nstdout_logfile=@DIR@/w.log\n");
    env.start_by_shell("umask 0; exec \"$@\"");
    env.wait_state("w", "RUNNING");
    for file in ["w.log", "sd.log", "sd.pid"] {
        let mode = std::fs::metadata(env.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o002, 0, "{file} {mode:o}");
    }
}

//! A program that cannot be started never takes anything else down, and what is wrong is said: in
//! `spawnerr`, in the activity log, or, after the fork, in the program's own stderr log.
#![allow(clippy::unwrap_used)]

mod env;

use std::os::unix::fs::PermissionsExt;

use env::TestEnv;

fn failing(setup: impl FnOnce(&TestEnv), sections: &str) -> TestEnv {
    let mut env = TestEnv::new();
    setup(&env);
    env.configure(sections);
    env.start(&[]);
    env
}

fn program(name: &str, command: &str) -> String {
    format!("[program:{name}]\ncommand={command}\nstartsecs=0\nstartretries=0\n")
}

#[test]
fn what_is_wrong_with_the_command_is_said_and_it_is_fatal() {
    let env = failing(
        |env| {
            env.write("plain", "not a program");
            std::fs::create_dir(env.path("folder")).unwrap();
        },
        &[
            program("missing", "no-such-program-anywhere -x"),
            program("missing_path", "@DIR@/nothing/here"),
            program("folder", "@DIR@/folder"),
            program("plain", "@DIR@/plain"),
            program("fine", "/bin/cat"),
        ]
        .concat(),
    );
    let dir = env.dir().display();
    for (name, text) in [
        ("missing", "can't find command 'no-such-program-anywhere'".to_owned()),
        ("missing_path", format!("can't find command '{dir}/nothing/here'")),
        ("folder", format!("command at '{dir}/folder' is a directory")),
        ("plain", format!("command at '{dir}/plain' is not executable")),
    ] {
        env.wait_state(name, "FATAL");
        assert_eq!(env.text_of(name, "spawnerr"), text);
        assert_eq!(env.number_of(name, "exitstatus"), 0);
        assert!(env.log_lines().contains(&format!("INFO spawnerr: {text}")));
        assert_eq!(env.log_with(&format!("gave up: {name} ")).len(), 1);
        assert!(env.log_with(&format!("spawned: '{name}'")).is_empty());
    }
    env.wait_state("fine", "RUNNING");
}

#[test]
fn a_start_call_refuses_before_anything_changes() {
    let env = failing(
        |env| {
            env.write("plain", "not a program");
        },
        &(program("missing", "@DIR@/nothing") + &program("plain", "@DIR@/plain"))
            .replace("startsecs=0", "startsecs=0\nautostart=false"),
    );
    let dir = env.dir().display();
    let (code, text) = env.sup("startProcess", &["missing"]).unwrap_err();
    assert_eq!((code, text), (20, format!("NO_FILE: can't find command '{dir}/nothing'")));
    let (code, text) = env.sup("startProcess", &["plain"]).unwrap_err();
    let expected = format!("NOT_EXECUTABLE: command at '{dir}/plain' is not executable");
    assert_eq!((code, text), (21, expected));
    assert_eq!([env.state("missing"), env.state("plain")], ["STOPPED", "STOPPED"]);
    assert!(env.log_with("spawnerr").is_empty());
}

#[test]
fn what_fails_after_the_fork_stands_in_the_programs_stderr_log() {
    let env = failing(
        |env| {
            for (name, text) in [("noshell", "#!/no/such/shell\n"), ("noformat", "\u{1}\u{2}\n")] {
                let file = env.write(name, text);
                std::fs::set_permissions(file, PermissionsExt::from_mode(0o755)).unwrap();
            }
        },
        &[
            program("noshell", "@DIR@/noshell"),
            program("noformat", "@DIR@/noformat"),
            program("nodir", "/bin/cat") + "directory=@DIR@/nowhere\n",
        ]
        .map(|p| {
            let name = p[9..p.find(']').unwrap()].to_owned();
            p + &format!("autorestart=false\nstderr_logfile=@DIR@/{name}.err\n")
        })
        .concat(),
    );
    let dir = env.dir().display();
    for (name, text) in [
        ("noshell", format!("couldn't exec {dir}/noshell: ENOENT")),
        ("noformat", format!("couldn't exec {dir}/noformat: ENOEXEC")),
        ("nodir", format!("couldn't chdir to {dir}/nowhere: ENOENT")),
    ] {
        // As with any other program: a child lived, and ended with 127.
        env.wait_state(name, "EXITED");
        assert_eq!(
            env.read(&format!("{name}.err")),
            format!("supervisor: {text}\nsupervisor: child process was not spawned\n")
        );
        assert_eq!(
            env.log_with(&format!("exited: {name} ")),
            [format!("WARN exited: {name} (exit status 127; not expected)")]
        );
    }
}

#[test]
fn a_log_that_cannot_be_opened_is_a_spawn_failure() {
    let env = failing(
        |env| std::fs::create_dir(env.path("folder.log")).unwrap(),
        &[
            program("folder", "/bin/cat") + "stdout_logfile=@DIR@/folder.log\n",
            program("err", "/bin/cat") + "stderr_logfile=@DIR@/folder.log\n",
        ]
        .concat(),
    );
    for name in ["folder", "err"] {
        env.wait_state(name, "FATAL");
        assert_eq!(
            env.text_of(name, "spawnerr"),
            format!("unknown error making dispatchers for '{name}': EISDIR")
        );
    }
}

#[test]
fn a_relative_command_is_looked_up_from_the_daemons_folder() {
    let env = failing(
        |env| {
            std::fs::create_dir(env.path("sub")).unwrap();
            std::os::unix::fs::symlink("/bin/sh", env.path("sub/prog")).unwrap();
        },
        &(program("here", "sub/prog -c 'exec cat'")
            + &program("there", "./prog -c 'exec cat'")
            + "directory=@DIR@/sub\n"),
    );
    env.wait_state("here", "RUNNING");
    env.wait_state("there", "FATAL");
    assert_eq!(env.text_of("there", "spawnerr"), "can't find command './prog'");
}

#[test]
fn a_command_that_cannot_be_split_is_said_with_the_reason() {
    let env = failing(|_| (), &program("x", "/bin/echo \"unclosed"));
    env.wait_state("x", "FATAL");
    let text = env.text_of("x", "spawnerr");
    assert!(text.starts_with("can't parse command '/bin/echo \"unclosed'"), "{text}");
}

#[test]
fn a_failed_program_starts_when_its_command_appears() {
    let env = failing(|_| (), &program("x", "@DIR@/later -c 'exec cat'"));
    env.wait_state("x", "FATAL");
    std::os::unix::fs::symlink("/bin/sh", env.path("later")).unwrap();
    env.sup("startProcess", &["x"]).unwrap();
    assert_eq!(env.state("x"), "RUNNING");
}

#[test]
fn a_limit_of_descriptors_that_will_not_do_is_told_at_the_start() {
    let env = |numprocs: u32| {
        let mut env = TestEnv::new();
        env.configure_with(
            "minfds=200\n",
            &format!(
                "[program:p]\ncommand=/bin/cat\nnumprocs={numprocs}\nautostart=false\n\
                 process_name=%(process_num)d\nredirect_stderr=true\n"
            ),
        );
        env.start_by_shell("ulimit -n 200; exec \"$@\"");
        env
    };
    let text = "open files are needed when all programs run, and the limit is 200: raise minfds";
    assert_eq!(env(100).log_with(text).len(), 1);
    assert!(env(10).log_with(text).is_empty());
}

//! `priority=`: programs start in rising order and stop, at the end, in falling order; a group is
//! stopped only when the one before it is gone.
#![allow(clippy::unwrap_used)]

mod env;

use env::TestEnv;

fn names(env: &TestEnv, before: &str) -> Vec<String> {
    env.log_with(before)
        .iter()
        .map(|l| {
            let rest = l.split(before).nth(1).unwrap();
            rest.trim_start_matches('\'')
                .split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn they_start_in_rising_and_stop_in_falling_order() {
    let mut env = TestEnv::new();
    let programs: String = [("d", 30), ("a", 10), ("c", 20), ("b", 10), ("e", 5), ("f", 999)]
        .iter()
        .map(|(n, p)| format!("[program:{n}]\ncommand=/bin/cat\npriority={p}\nstartsecs=0\n"))
        .collect();
    env.configure(&programs);
    env.start(&[]);
    for name in ["a", "b", "c", "d", "e", "f"] {
        env.wait_state(name, "RUNNING");
    }
    assert_eq!(env.stop(), Some(0));
    assert_eq!(names(&env, "spawned: "), ["e", "a", "b", "c", "d", "f"]);
    assert_eq!(names(&env, "stopped: "), ["f", "d", "c", "b", "a", "e"]);
    assert_eq!(env.log_with("to die").len(), 1);
}

#[test]
fn at_the_end_a_group_is_asked_only_when_the_one_before_is_gone() {
    let mut env = TestEnv::new();
    let recorder = |name: &str, signals: &str, more: &str| {
        format!(
            "[program:{name}]\ncommand=/bin/sh @DIR@/recorder.sh @DIR@/{name} {signals}\n\
             startsecs=0\n{more}"
        )
    };
    env.configure_with(
        "loglevel=debug",
        &[
            recorder("early", "TERM", "priority=1\n"),
            // Both members are asked together, the lower priority last.
            recorder("one", "-TERM", "priority=1\nstopwaitsecs=0\n"),
            recorder("two", "TERM", "priority=2\n"),
            "[group:late]\nprograms=one,two\npriority=50\n".to_owned(),
        ]
        .concat(),
    );
    env.start(&[]);
    for name in ["early", "one", "two"] {
        env.wait_file(&format!("{name}.ready"));
    }
    assert_eq!(env.stop(), Some(0));
    assert!(env.log_at("killing two (pid") < env.log_at("killing one (pid"));
    assert!(env.log_at("killing one (pid") < env.log_at("stopped: one"));
    assert!(env.log_at("stopped: one") < env.log_at("killing early (pid"));
    assert!(env.log_at("stopped: two") < env.log_at("killing early (pid"));
    assert_eq!(env.read("early"), "TERM\n");
}

#[test]
fn a_program_listed_in_a_group_starts_at_the_place_of_its_group() {
    let mut env = TestEnv::new();
    env.configure(
        "[program:z]\ncommand=/bin/cat\nstartsecs=0\npriority=900\n\
         [program:y]\ncommand=/bin/cat\nstartsecs=0\npriority=1\n\
         [program:m]\ncommand=/bin/cat\nstartsecs=0\npriority=20\n\
         [group:g]\nprograms=z,y\npriority=10\n",
    );
    env.start(&[]);
    for name in ["g:z", "g:y", "m"] {
        env.wait_state(name, "RUNNING");
    }
    let started = names(&env, "spawned: ");
    assert_eq!(started.last().unwrap(), "m", "{started:?}");
}

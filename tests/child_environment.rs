//! What a program finds in its environment: supervisord's own, the `SUPERVISOR_` variables, and what
//! `environment=` adds.
#![allow(clippy::unwrap_used)]

mod env;

use std::collections::BTreeMap;

use env::{TestEnv, proc_environ};

fn running(sections: &str, options: &str, name: &str) -> BTreeMap<String, String> {
    let mut env = TestEnv::new();
    env.configure_with(options, sections);
    let mut command = env.supervisord(&[]);
    command.env("CALLER", "yes").env("SUPERVISOR_ENABLED", "0").env("HOME", "/callers/home");
    env.start_as(command);
    env.wait_state(name, "RUNNING");
    let mut vars = proc_environ(env.pid_of(name));
    // The only thing that differs from run to run.
    let url = vars.get("SUPERVISOR_SERVER_URL").cloned().unwrap_or_default();
    if url == format!("unix://{}", env.socket().display()) {
        vars.insert("SUPERVISOR_SERVER_URL".into(), "the socket".into());
    }
    vars
}

#[test]
fn it_inherits_and_is_told_who_it_is() {
    let vars = running("[program:x]\ncommand=/bin/cat\nstartsecs=0\n", "", "x");
    assert_eq!(vars["CALLER"], "yes");
    assert_eq!(vars["SUPERVISOR_ENABLED"], "1", "the caller's own value does not count");
    assert_eq!(vars["SUPERVISOR_PROCESS_NAME"], "x");
    assert_eq!(vars["SUPERVISOR_GROUP_NAME"], "x");
    assert_eq!(vars["SUPERVISOR_SERVER_URL"], "the socket");
    assert_eq!(vars["HOME"], "/callers/home");
    assert_eq!(vars.get("PATH").cloned(), std::env::var("PATH").ok());
}

#[test]
fn the_programs_own_variables_win_over_those_of_supervisord() {
    let vars = running(
        "[program:x]\ncommand=/bin/cat\nstartsecs=0\nprocess_name=%(program_name)s_%(process_num)d\n\
         numprocs=2\nserverurl=http://elsewhere:1\n\
         environment=A=\"program\",NUM=\"%(process_num)d\",QUOTED=\"a,b\",FROM=\"%(ENV_CALLER)s\"\n\
         [group:g]\nprograms=x\n",
        "environment=A=\"supervisord\",B=\"two\",HOME=\"/elsewhere\"",
        "g:x_1",
    );
    assert_eq!(vars["A"], "program");
    assert_eq!(vars["B"], "two");
    assert_eq!(vars["HOME"], "/elsewhere");
    assert_eq!(vars["NUM"], "1");
    assert_eq!(vars["QUOTED"], "a,b");
    assert_eq!(vars["FROM"], "yes");
    assert_eq!(vars["SUPERVISOR_PROCESS_NAME"], "x_1");
    assert_eq!(vars["SUPERVISOR_GROUP_NAME"], "g");
    assert_eq!(vars["SUPERVISOR_SERVER_URL"], "http://elsewhere:1");
}

#[test]
fn a_command_without_a_slash_is_looked_up_in_its_own_path() {
    let mut env = TestEnv::new();
    std::fs::create_dir(env.path("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/sh", env.path("bin/tool")).unwrap();
    env.configure(
        "[program:x]\ncommand=tool -c 'exec cat'\nstartsecs=0\nenvironment=PATH=\"@DIR@/bin:/bin\"\n\
         [program:y]\ncommand=tool -c 'exec cat'\nstartsecs=0\nstartretries=0\n",
    );
    env.start(&[]);
    env.wait_state("x", "RUNNING");
    env.wait_state("y", "FATAL");
    assert_eq!(env.text_of("y", "spawnerr"), "can't find command 'tool'");
}

//! The programs that are soaked, and the files that change under them.

use std::os::unix::fs::PermissionsExt;

use crate::env::TestEnv;

/// Obeys lines on its stdin: writes, announces, ends, crashes, leaves a child behind. Ends with its
/// stdin, so that nothing outlives the test.
const WORKER: &str = r#"
trap 'again=yes' HUP USR1 USR2
# Some shells end an interrupted read as if the input had ended.
while read -r word n || [ -n "$again" ]; do
    again=
    case $word in
        say)
            i=0
            while [ $i -lt "$n" ]; do i=$((i + 1)); echo "line $i of $n, said by $$ in good order"; done ;;
        err)
            i=0
            while [ $i -lt "$n" ]; do i=$((i + 1)); echo "complaint $i of $n, made by $$" >&2; done ;;
        tell) echo "<!--XSUPERVISOR:BEGIN-->news $n of $$<!--XSUPERVISOR:END-->" ;;
        exit) exit "$n" ;;
        die) kill "-$n" $$ ;;
        leave) (trap '' TERM; sleep 0.2; echo last words) & exit "$n" ;;
    esac
    word=
done
"#;

/// Does not end when it is asked to.
const STUBBORN: &str = "trap '' TERM\nwhile read -r line; do :; done\n";

/// Ends when it is asked to; one of its children does, too, and one does not. These end by themselves at
/// some time, whatever happens to the daemon.
const FAMILY: &str = r#"
(trap '' TERM; sleep 900) &
sleep 900 &
trap 'exit 0' TERM
wait
"#;

/// Does not end, nor does its child, from the first moment on.
const CLAN: &str = "trap '' TERM\nsleep 900 &\nwhile read -r line; do :; done\n";

/// Programs whose normal state is not RUNNING: none of them can be started, or it ends at once.
pub const NEVER_UP: [&str; 4] = ["missing", "noexec", "nodir", "brief"];

/// The listener pools with the number of their members; how these behave, [`crate::listen`] knows.
pub const POOLS: [(&str, u32); 4] = [("calm", 2), ("moody", 1), ("mortal", 2), ("rude", 1)];

/// Programs of the file that changes, in some of its shapes. The first is the one at quiet points.
pub const SHAPES: usize = 7;

/// A section; options take the place of defaults.
fn section(head: &str, defaults: &str, options: &str) -> String {
    let key = |line: &str| line.split_once('=').map_or("", |(key, _)| key).to_owned();
    let given: Vec<String> = options.lines().map(key).collect();
    let kept: String = defaults
        .lines()
        .filter(|line| !given.contains(&key(line)))
        .map(|line| format!("{line}\n"))
        .collect();
    format!("[{head}]\n{kept}{options}\n")
}

/// A program with logs of its own in the folder of the logs, which are soon full.
fn worker(name: &str, options: &str) -> String {
    let defaults = "command=/bin/sh @DIR@/worker.sh\nprocess_name=%(program_name)s_%(process_num)d\n\
         startsecs=0\nautorestart=true\n\
         stdout_logfile=@DIR@/logs/%(program_name)s_%(process_num)d.out\nstdout_logfile_maxbytes=3000\n\
         stdout_logfile_backups=2\n\
         stderr_logfile=@DIR@/logs/%(program_name)s_%(process_num)d.err\nstderr_logfile_maxbytes=3000\n\
         stderr_logfile_backups=1\n";
    section(&format!("program:{name}"), defaults, options)
}

fn bare(name: &str, command: &str, options: &str) -> String {
    let defaults = "stdout_logfile=NONE\nstderr_logfile=NONE\nstartsecs=0\nautorestart=true\n";
    section(&format!("program:{name}"), &format!("command={command}\n{defaults}"), options)
}

/// The file that changes.
fn moving(shape: usize) -> String {
    let two = |n| worker("many", &format!("numprocs={n}"));
    let one = worker("single", "");
    let changed = worker("single", "environment=SHAPE=\"changed\"");
    let more = worker("guest", "numprocs=2");
    let group = "[group:duo]\nprograms=left,right\n".to_owned()
        + &bare("left", "/bin/cat", "")
        + &bare("right", "/bin/cat", "");
    match shape % SHAPES {
        0 => two(2) + &one + &group,
        1 => two(4) + &one + &group,
        2 => two(1) + &group,
        3 => two(2) + &changed + &group,
        4 => two(2) + &one + &group + &more,
        5 => two(2) + &one + &group.replace("/bin/cat", "/bin/cat -u"),
        _ => "; nothing\n".to_owned(),
    }
}

/// Writes a shape of the file that changes, in one step.
pub fn reshape(env: &TestEnv, shape: usize) {
    let path = env.write("moving.tmp", &moving(shape));
    std::fs::rename(path, env.path("conf.d/moving.conf")).unwrap();
}

/// Writes everything; `listener` is the command of the pools.
pub fn prepare(env: &TestEnv, port: u16, password: &str, listener: &str) {
    env.write("worker.sh", WORKER);
    env.write("stubborn.sh", STUBBORN);
    env.write("family.sh", FAMILY);
    env.write("clan.sh", CLAN);
    let noexec = env.write("noexec", "#!/no/such/interpreter\n");
    std::fs::set_permissions(noexec, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(env.path("conf.d")).unwrap();
    reshape(env, 0);
    // Rotated files that are there from the beginning are not taken for growth.
    for name in ["work_0", "work_1", "work_2", "press_0", "many_0", "many_1", "many_2", "many_3"]
        .into_iter()
        .chain(["single_0", "guest_0", "guest_1", "crash_0", "crash_1", "crash_2", "slow_0"])
    {
        for end in [".out", ".out.1", ".out.2", ".err", ".err.1"] {
            env.write(&format!("logs/{name}{end}"), "an old line\n");
        }
    }
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let pools: String = POOLS
        .iter()
        .map(|(name, members)| {
            format!(
                "[eventlistener:{name}]\ncommand={listener}\nenvironment=SOAK_LISTENER=\"{name}\"\n\
                 numprocs={members}\nprocess_name=%(program_name)s_%(process_num)d\nstartsecs=0\n\
                 autorestart=true\nbuffer_size=4\nstdout_logfile=NONE\nstderr_logfile=NONE\n\
                 events=PROCESS_STATE,PROCESS_LOG,PROCESS_COMMUNICATION,REMOTE_COMMUNICATION,TICK_5,\
                 PROCESS_GROUP,SUPERVISOR_STATE_CHANGE\n"
            )
        })
        .collect();
    env.configure_with(
        &format!(
            "user={user}\nloglevel=info\nlogfile_maxbytes=1MB\nlogfile_backups=3\n\
             [include]\nfiles=@DIR@/conf.d/*.conf\n"
        ),
        &[
            format!(
                "[inet_http_server]\nport=127.0.0.1:{port}\nusername=user\npassword={password}\n\
                 [rpcinterface:twiddler]\nsupervisor.rpcinterface_factory = \
                 supervisor_twiddler.rpcinterface:make_twiddler_rpcinterface\n\
                 [group:dynamic]\n"
            ),
            worker("work", "numprocs=3\nstdout_events_enabled=true\nstderr_events_enabled=true"),
            worker("press", "stdout_capture_maxbytes=2KB\nredirect_stderr=true"),
            worker("crash", "numprocs=3"),
            // These are STARTING for a second, and in BACKOFF when they crash meanwhile.
            worker("slow", "startsecs=1\nstartretries=1000"),
            bare("anchor", "/bin/cat", ""),
            bare("clicked", "/bin/cat", ""),
            // A log for each stream that the daemon names itself.
            "[program:auto]\ncommand=/bin/sh @DIR@/worker.sh\nstartsecs=0\nautorestart=true\n".into(),
            bare("stubborn", "/bin/sh @DIR@/stubborn.sh", "stopwaitsecs=1"),
            bare("family", "/bin/sh @DIR@/family.sh", "stopwaitsecs=1\nstopasgroup=true"),
            bare("clan", "/bin/sh @DIR@/clan.sh", "stopwaitsecs=1\nkillasgroup=true"),
            "[fcgi-program:gate]\ncommand=/bin/sleep 900\nsocket=unix://@DIR@/gate.sock\nnumprocs=2\n\
             process_name=%(program_name)s_%(process_num)d\nstartsecs=0\nautorestart=true\n\
             stdout_logfile=NONE\nstderr_logfile=NONE\n"
                .into(),
            bare("missing", "@DIR@/no-such-program", "autostart=false"),
            bare("noexec", "@DIR@/noexec", "autostart=false\nautorestart=false\nstartsecs=1\nstartretries=0"),
            bare("nodir", "/bin/cat", "directory=@DIR@/no/such/folder\nautostart=false\nautorestart=false"),
            bare("brief", "/bin/true", "autostart=false\nautorestart=false"),
            pools,
        ]
        .concat(),
    );
}

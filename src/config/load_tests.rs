//! Whole files through the loader; what is recorded of the reference is said so.

use super::super::model::{
    Address, Autorestart, FcgiAddress, GroupKind, LogTarget, Program, Server,
};
use super::super::testing::Folder;
use super::*;

fn programs(config: &Config) -> Vec<(String, String)> {
    let of = |g: &super::super::model::Group| -> Vec<(String, String)> {
        g.programs.iter().map(|p| (g.name.clone(), p.name.clone())).collect()
    };
    config.groups.iter().flat_map(|g| of(g)).collect()
}

fn only(config: &Config) -> &Program {
    assert_eq!(programs(config).len(), 1);
    &config.groups[0].programs[0]
}

fn notes(config: &Config) -> Vec<String> {
    config.notes.iter().map(|n| format!("{} {}", n.level.tag(), n.text)).collect()
}

#[test]
fn an_empty_section_has_the_defaults_of_the_reference() {
    let dir = Folder::new();
    let c = dir.load_plain("[supervisord]\n[program:p]\ncommand=/bin/cat\n").unwrap();
    let d = &c.daemon;
    assert_eq!(c.file.to_string_lossy(), format!("{}/s.conf", dir.path()));
    assert_eq!(d.logfile.to_string_lossy(), format!("{}/supervisord.log", dir.path()));
    assert_eq!(d.pidfile.to_string_lossy(), format!("{}/supervisord.pid", dir.path()));
    assert_eq!((d.logfile_maxbytes, d.logfile_backups, d.umask), (50 << 20, 10, 0o22));
    assert_eq!((d.minfds, d.minprocs, d.identifier.as_str()), (1024, 200, "supervisor"));
    assert_eq!((d.nodaemon, d.silent, d.nocleanup, d.strip_ansi), (false, false, false, false));
    let p = only(&c);
    assert_eq!((p.priority, p.autostart, p.autorestart), (999, true, Autorestart::Unexpected));
    assert_eq!((p.startsecs, p.startretries, p.stopwaitsecs), (1, 3, 10));
    assert_eq!((p.stopsignal, p.exitcodes.as_slice()), (15, [0].as_slice()));
    assert_eq!((&p.stdout.target, p.stdout.maxbytes), (&LogTarget::Auto, 50 << 20));
    assert_eq!((p.stderr.backups, p.stderr.capture_maxbytes), (10, 0));
    assert_eq!((&p.user, p.umask, &p.directory, &p.serverurl), (&None, None, &None, &None));
}

#[test]
fn groups_are_sorted_by_priority_then_name_and_processes_by_name() {
    let dir = Folder::new();
    let c = dir
        .load(
            "[program:z]\ncommand=x\n[program:a]\ncommand=x\npriority=1000\n\
             [program:n]\ncommand=x\nnumprocs=11\nprocess_name=%(process_num)d\n\
             [eventlistener:l]\ncommand=x\nevents=tick_5, EVENT,TICK_5\n\
             [group:g]\nprograms=z,a\npriority=5\n",
        )
        .unwrap();
    let names: Vec<&str> = c.groups.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(names, ["l", "g", "n"]);
    let members: Vec<&str> = c.groups[1].programs.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(members, ["z", "a"]);
    let numbered: Vec<&str> = c.groups[2].programs.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(numbered, ["0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!((c.groups[0].priority, c.groups[0].programs[0].priority), (-1, 999));
    let GroupKind::Listeners(pool) = &c.groups[0].kind else { panic!("no pool") };
    assert_eq!((pool.buffer_size, pool.events.join(" ")), (10, "TICK_5 EVENT".to_owned()));
}

#[test]
fn a_program_may_be_in_several_groups_or_be_hidden_by_one_of_its_name() {
    let dir = Folder::new();
    let text = "[group:g]\nprograms=p,p\n[group:h]\nprograms=p\n[group:q]\n\
                [program:p]\ncommand=x\n[program:q]\ncommand=x\n";
    let c = dir.load(text).unwrap();
    let pair = |g: &str, p: &str| (g.to_owned(), p.to_owned());
    let expected = [pair("g", "p"), pair("g", "p"), pair("h", "p"), pair("q", "q")];
    assert_eq!(programs(&c), expected);
    assert_eq!(c.groups.iter().filter(|g| g.name == "q").count(), 2);
}

#[test]
fn names_are_known_where_the_reference_knows_them() {
    let dir = Folder::new();
    let c = dir
        .load(
            "environment=S=\"%(here)s\",A=\"outer\"\n\
             [program:e]\nprocess_name=%(program_name)s_%(group_name)s_%(process_num)03d\n\
             command=%(ENV_FOO)s %(ENV_A)s %(ENV_S)s %(host_node_name)s %(numprocs)d 100%%\n\
             environment=A=\"b%(process_num)d\"\ndirectory=/%(process_num)d\nnumprocs=2\n\
             numprocs_start=7\nstdout_logfile=%(process_num)d.log\n[group:grp]\nprograms=e\n",
        )
        .unwrap();
    let p = &c.groups[0].programs[1];
    assert_eq!(p.name, "e_grp_008");
    assert_eq!(p.command, format!("foo value b8 {} node 2 100%", dir.path()));
    assert_eq!(p.directory.as_deref(), Some(Path::new("/8")));
    assert_eq!(p.stdout.target, LogTarget::File("8.log".into()));
    let env: Vec<String> = p.environment.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(env, [format!("S={}", dir.path()), "A=b8".to_owned()]);
    for unknown in [
        "[program:p]\ncommand=x\nstartsecs=%(process_num)d\n",
        "[program:p]\ncommand=x\npriority=%(program_name)s\n",
        "[program:p]\ncommand=x\nstopsignal=%(ENV_A)s\nenvironment=A=\"9\"\n",
        "[unix_http_server]\nfile=/x\nusername=%(here)s\npassword=x\n",
        "[fcgi-program:p]\ncommand=x\nsocket=unix:///%(group_name)s\n",
        "environment=A=\"%(host_node_name)s\"\n",
    ] {
        assert!(dir.load(unknown).is_err(), "{unknown}");
    }
}

#[test]
fn some_values_are_expanded_twice() {
    let dir = Folder::new();
    let four = "environment=A=\"%%%%\",H=\"%%(host_node_name)s\"\n\
                [program:p]\ncommand=x\nstdout_logfile=a%%%%b\n";
    let c = dir.load(four).unwrap();
    assert_eq!(c.daemon.environment[0].1, "%");
    assert_eq!(c.daemon.environment[1].1, "node");
    assert_eq!(only(&c).stdout.target, LogTarget::File("a%b".into()));
    assert!(dir.load("[program:p]\ncommand=x\nstdout_logfile=a%%b\n").is_err());
    assert!(dir.load("environment=A=\"%(ENV_PCT)s\"\n").is_err());
}

#[test]
fn included_files_are_read_in_order_and_named_in_notes() {
    let dir = Folder::new();
    for n in ["b", "a", ".hidden"] {
        let text = format!("[program:{n}]\ncommand=%(here)s\n[include]\nfiles=../more/*\n");
        dir.write(&format!("conf.d/{n}.conf"), text);
    }
    dir.write("conf.d/dir.conf/x", "");
    dir.write("more/x.ini", "[program:main]\nstartsecs=33\n");
    let c = dir
        .load(
            "[program:main]\ncommand=%(here)s\n\
             [include]\nfiles=none/*.conf conf.d/*.conf\n  %(here)s/more/?.ini\n",
        )
        .unwrap();
    let d = dir.path();
    assert_eq!(
        notes(&c),
        [
            format!("WARN No file matches via include \"{d}/none/*.conf\""),
            format!("INFO Included extra file \"{d}/conf.d/a.conf\" during parsing"),
            format!("INFO Included extra file \"{d}/conf.d/b.conf\" during parsing"),
            format!("INFO Included extra file \"{d}/conf.d/dir.conf\" during parsing"),
            format!("INFO Included extra file \"{d}/more/x.ini\" during parsing"),
        ]
    );
    let commands: Vec<&str> = c.groups.iter().map(|g| g.programs[0].command.as_str()).collect();
    assert_eq!(commands, [format!("{d}/conf.d"), format!("{d}/conf.d"), d]);
    assert_eq!(c.groups[2].programs[0].startsecs, 33);
}

#[test]
fn odd_log_settings_are_noted() {
    let dir = Folder::new();
    let c = dir
        .load(
            "[program:p]\ncommand=x\nstdout_logfile=syslog\nredirect_stderr=true\n\
             stderr_logfile=/tmp/x\n[program:q]\ncommand=x\nstderr_logfile_maxbytes=0\n",
        )
        .unwrap();
    assert_eq!(
        notes(&c),
        [
            "WARN For [program:p], stdout_logfile=syslog but this is deprecated and will be \
             removed.  Use stdout_syslog=true to enable syslog instead.",
            "WARN For [program:p], redirect_stderr=true but stderr_logfile has also been set to a \
             filename, the filename has been ignored",
            "WARN For [program:q], AUTO logging used for stderr_logfile without rollover, set \
             maxbytes > 0 to avoid filling up filesystem unintentionally",
        ]
    );
    let p = &c.groups[0].programs[0];
    assert!(p.stdout.syslog && p.stdout.target == LogTarget::None);
    assert_eq!(p.stderr.target, LogTarget::None);
}

#[test]
fn servers_come_tcp_first_and_may_have_suffixes() {
    let dir = Folder::new();
    let c = dir
        .load(
            "[unix_http_server]\nfile=%(here)s/../s.sock ; note\nchmod=0722\nchown=root:root\n\
             username=\npassword=\n[inet_http_server:x]\nport=LocalHost:9001\nusername=u\n\
             password=p#w\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = \
             supervisor.rpcinterface:make_main_rpcinterface\nx=%(ENV_FOO)s\n",
        )
        .unwrap();
    let path = paths::normpath(&format!("{}/../s.sock", dir.path()));
    let expected = [
        Server {
            section: "inet_http_server:x".into(),
            address: Address::Inet { host: "localhost".into(), port: 9001 },
            username: Some("u".into()),
            password: Some("p#w".into()),
            web: crate::config::model::WebAccess::default(),
        },
        Server {
            section: "unix_http_server".into(),
            address: Address::Unix { path: path.clone().into(), mode: 0o722, owner: Some((0, 0)) },
            username: None,
            password: None,
            web: crate::config::model::WebAccess::default(),
        },
    ];
    assert_eq!(c.servers, expected);
    let url = super::super::default_serverurl(&c.servers);
    assert_eq!(url, Some(format!("unix://{path}")));
    assert_eq!(c.rpc_interfaces[0].options, [("x".to_owned(), "foo value".to_owned())]);
}

#[test]
fn a_tcp_server_may_allow_browsers_more() {
    let dir = Folder::new();
    let with = |keys: &str| {
        dir.load_plain(&format!("[supervisord]\n[inet_http_server]\nport=9001\n{keys}"))
            .map(|c| c.servers[0].web.clone())
    };
    assert_eq!(with("").unwrap(), crate::config::model::WebAccess::default());
    let web = with("get_actions=true\nallowed_hosts=sup.example, other:8080\n").unwrap();
    assert!(web.get_actions);
    assert_eq!(web.allowed_hosts, ["sup.example", "other:8080"]);
    assert!(with("get_actions=perhaps\n").unwrap_err().to_string().contains("get_actions"));
}

#[test]
fn a_fastcgi_socket_belongs_to_the_user_of_its_program() {
    let dir = Folder::new();
    let text =
        "[fcgi-program:f]\ncommand=x\nuser=daemon\nsocket=unix://%(here)s//%(program_name)s\n";
    let c = dir.load(text).unwrap();
    let GroupKind::FastCgi(socket) = &c.groups[0].kind else { panic!("no socket") };
    let daemon = super::super::values::user("daemon").unwrap();
    assert_eq!(socket.url, format!("unix://{}/f", dir.path()));
    assert_eq!(
        socket.address,
        FcgiAddress::Unix {
            path: format!("{}/f", dir.path()).into(),
            mode: 0o700,
            owner: Some((daemon.uid, daemon.gid)),
        }
    );
    let grouped = dir.load(&format!("{text}[group:g]\nprograms=f\n")).unwrap();
    assert_eq!(grouped.groups[0].kind, GroupKind::Programs);
}

#[test]
fn the_command_line_wins_and_is_checked() {
    let dir = Folder::new();
    let over = |change: &dyn Fn(&mut Overrides)| {
        dir.write("s.conf", "[supervisord]\numask=077\nidentifier=file\nloglevel=warn\n");
        let mut over = Overrides { configuration: Some("s.conf".into()), ..Overrides::default() };
        change(&mut over);
        load_with(&over, &dir.env(), Mode::Start)
    };
    let c = over(&|o| {
        o.umask = Some("027".into());
        o.identifier = Some("cli".into());
        o.logfile = Some("~/x.log".into());
        o.pidfile = Some(String::new());
        o.nodaemon = true;
    })
    .unwrap();
    assert_eq!((c.daemon.umask, c.daemon.identifier.as_str()), (0o27, "cli"));
    assert_eq!((c.daemon.loglevel, c.daemon.nodaemon), (Level::Warn, true));
    assert_eq!(c.daemon.logfile, Path::new("/root/x.log"));
    assert!(c.daemon.pidfile.ends_with("supervisord.pid"));
    let e = over(&|o| o.umask = Some("9".into())).unwrap_err();
    assert_eq!(e.to_string(), "invalid value for -m \"9\": not an octal number such as 022");
    assert!(over(&|o| o.directory = Some("/no/such".into())).is_err());
    assert!(over(&|o| o.user = Some("no-such-user".into())).is_err());
    assert_eq!(
        over(&|o| o.logfile = Some("syslog".into())).unwrap().daemon.logfile,
        Path::new("syslog")
    );
}

#[test]
fn a_reread_does_not_look_up_what_acts_at_a_start_only() {
    let dir = Folder::new();
    dir.write("s.conf", "[supervisord]\nuser=no-such-user\n");
    let over = Overrides {
        configuration: Some("s.conf".into()),
        childlogdir: Some("/no/longer".into()),
        ..Overrides::default()
    };
    assert!(load_with(&over, &dir.env(), Mode::Start).is_err());
    let c = load_with(&over, &dir.env(), Mode::Reread).unwrap();
    assert_eq!((c.daemon.user, c.daemon.childlogdir), (None, "/no/longer".into()));
}

#[test]
fn errors_say_where_what_and_what_is_allowed() {
    let dir = Folder::new();
    let error = |text: &str| dir.load(text).unwrap_err().to_string();
    assert_eq!(
        error("[program:web]\ncommand=x\nstartsecs=abc\n"),
        "s.conf:5: [program:web] startsecs=abc: not a whole number of seconds, nor a length of \
         time such as 90s or 1m30s"
    );
    assert_eq!(
        error("[program:web]\n"),
        "s.conf:3: [program:web] needs a line command=..., the command line to run"
    );
    assert_eq!(
        error("[group:g]\nprograms=nope\n"),
        "s.conf:4: [group:g] programs=nope: there is no program or fcgi-program \"nope\""
    );
    assert_eq!(
        error("[program:a b]\ncommand=x\n"),
        "s.conf:3: [program:a b]: a name must not hold ' '"
    );
    assert!(error("[program:p]\ncommand=%(nope)s\n").contains("process_num, program_name"));
    assert!(!error("[unix_http_server]\nfile=/x\nusername=u\npassword=s3%cret\n").contains("s3"));
    let e = dir.load_plain("").unwrap_err().to_string();
    assert_eq!(e, "s.conf: there is no [supervisord] section");
    dir.write("bad.conf", b"[program:p]\ncommand=\xff\n");
    let e = error("[include]\nfiles=bad.conf\n");
    assert!(e.ends_with("bad.conf:2: not UTF-8 text"), "{e}");
}

#[test]
fn what_the_reference_refuses_is_refused() {
    let dir = Folder::new();
    for text in [
        "minfds=abc\n",
        "loglevel=loud\n",
        "logfile=/no/such/x\n",
        "environment=A\n",
        "user=\n",
        "junk\n",
        "[program:p]\ncommand=x\nnumprocs=2\n",
        "[program:p]\ncommand=x\nstopasgroup=true\nkillasgroup=false\n",
        "[program:p]\ncommand=x\nprocess_name=a b\n",
        "[program:a:b]\ncommand=x\n",
        "[group:g]\nprograms=p,\n[program:p]\ncommand=x\n",
        "[group:g]\nprograms=p\n[program:p]\ncommand=x\n[fcgi-program:p]\ncommand=x\n",
        "[eventlistener:l]\ncommand=x\n",
        "[eventlistener:l]\ncommand=x\nevents=NOPE\n",
        "[eventlistener:l]\ncommand=x\nevents=EVENT\nbuffer_size=0\n",
        "[eventlistener:l]\ncommand=x\nevents=EVENT\nredirect_stderr=true\n",
        "[eventlistener:l]\ncommand=x\nevents=EVENT\nresult_handler=my.own:handler\n",
        "[fcgi-program:f]\ncommand=x\n",
        "[fcgi-program:f]\ncommand=x\nsocket=unix://x\n",
        "[fcgi-program:f]\ncommand=x\nsocket=tcp://a:1\nsocket_mode=0700\n",
        "[fcgi-program:f]\ncommand=x\nsocket=tcp://a:1\nsocket_backlog=0\n",
        "[rpcinterface:x]\nfoo=bar\n",
        "[rpcinterface:x]\nsupervisor.rpcinterface_factory=no.such:thing\n",
        "[unix_http_server]\n",
        "[unix_http_server]\nfile=/x\nusername=u\n",
        "[inet_http_server]\nport=0\n",
        "[include]\nfoo=1\n",
        "[include]\nfiles=%(nope)s\n",
    ] {
        assert!(dir.load(text).is_err(), "{text}");
    }
}

#[test]
fn what_looks_wrong_but_is_accepted_there_is_accepted() {
    let dir = Folder::new();
    for text in [
        "unknown=1\n",
        "[program:x\ncommand=/bin/cat\n",
        "[program]\n",
        "[group:g]\n",
        "[program:p]\ncommand=\n",
        "[program:p]\ncommand=x\nnumprocs=0\n",
        "[program:p]\ncommand=x\nnumprocs=-1\n",
        "[program:p]\ncommand='x\n",
        "[program:p]\ncommand=x\ndirectory=/no/such\n",
        "[program:p]\ncommand=x\nenvironment=A==1\n",
        "[include]\nfiles=\n",
    ] {
        assert!(dir.load(text).is_ok(), "{text}: {:?}", dir.load(text).err());
    }
}

#[test]
fn the_file_is_searched_beside_the_program_then_here_then_in_etc() {
    let dir = Folder::new();
    let (env, d) = (dir.env(), dir.path());
    let own = [format!("{d}/etc/supervisord.conf"), format!("{d}/supervisord.conf")];
    assert_eq!(search_path(&env)[..2], own);
    assert_eq!(
        search_path(&env)[4..],
        ["/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"]
    );
    let elsewhere = Env { program: "/usr/bin/supervisord".into(), ..env.clone() };
    assert_eq!(search_path(&elsewhere)[1], "/usr/supervisord.conf");
    dir.write("etc/supervisord.conf", "");
    assert_eq!(find_file(&elsewhere).as_deref(), Some("etc/supervisord.conf"));
    assert_eq!(find_file(&env), Some(own[0].clone()));
}

#[test]
fn an_included_file_that_cannot_be_read_is_named() {
    let dir = Folder::new();
    dir.write("conf.d/a.conf", "[program:a]\ncommand=x\n");
    std::os::unix::fs::symlink("nowhere", format!("{}/conf.d/b.conf", dir.path())).unwrap();
    let c = dir.load("[include]\nfiles=conf.d/*.conf\n").unwrap();
    let said = notes(&c);
    let line = said.iter().find(|n| n.contains("cannot read included file")).unwrap();
    assert!(line.starts_with("WARN ") && line.contains("conf.d/b.conf"), "{line}");
    assert_eq!(c.groups.len(), 1);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_file_is_too_odd(text in "(\\PC|\n|\\[(program|group|eventlistener|fcgi-program|unix_http_server):[a-z%]\\]\n|command=x\n|(numprocs|environment|socket|events|stdout_logfile|priority)=|%\\(process_num\\)[sd]|TICK_5|[0-9]{1,2}\n)*") {
        let _ = Folder::new().load(&text);
    }
}

#[test]
fn processes_of_a_program_share_what_is_the_same() {
    let dir = Folder::new();
    let c = dir
        .load(
            "[program:x]\ncommand=/bin/x\nnumprocs=3\n\
             process_name=%(process_num)d\nenvironment=A=1\n\
             [program:y]\ncommand=/bin/y %(process_num)d\nnumprocs=2\n\
             process_name=%(process_num)d\n",
        )
        .unwrap();
    let [x, y] = [&c.groups[0].programs, &c.groups[1].programs];
    assert!(x.iter().all(|p| Arc::ptr_eq(&p.setup, &x[0].setup)));
    assert_eq!((y[0].command.as_str(), y[1].command.as_str()), ("/bin/y 0", "/bin/y 1"));
    // One that is changed leaves the others as they are.
    let mut changed = (*x[1]).clone();
    changed.umask = Some(0o77);
    assert_eq!((x[0].umask, x[1].umask, changed.umask), (None, None, Some(0o77)));
}

use super::super::testing::Folder;
use super::*;

fn ctl(dir: &Folder, text: &str) -> Result<CtlConfig, ConfigError> {
    dir.write("s.conf", text);
    load_ctl_with(Some("s.conf"), &dir.env())
}

#[test]
fn without_a_file_all_is_default() {
    let dir = Folder::new();
    let nowhere = Env { program: "/no/such/bin/x".into(), ..dir.env() };
    if find_file(&nowhere).is_none() {
        assert_eq!(load_ctl_with(None, &nowhere), Ok(CtlConfig::default()));
    }
    let empty = ctl(&dir, "[supervisorctl]\n").unwrap();
    assert_eq!(empty.serverurl, "http://localhost:9001");
    assert_eq!((empty.prompt.as_str(), &empty.username), ("supervisor", &None));
}

#[test]
fn options_are_expanded_and_names_worked_out() {
    let dir = Folder::new();
    let c = ctl(
        &dir,
        "[supervisorctl]\nserverurl=unix://%(here)s/../s.sock\nusername=%(ENV_FOO)s\n\
         password=p#w\nhistory_file=~/h\n[ctlplugin:x]\nsupervisor.ctl_factory=a.b:c\n",
    )
    .unwrap();
    let sock = paths::normpath(&format!("{}/../s.sock", dir.path()));
    assert_eq!(c.serverurl, format!("unix://{sock}"));
    assert_eq!(c.username.as_deref(), Some("foo value"));
    assert_eq!(c.password.as_deref(), Some("p#w"));
    assert_eq!(c.history_file, Some("/root/h".into()));
    assert_eq!(c.plugins, ["x (a.b:c)"]);
    assert!(ctl(&dir, "[supervisorctl]\nprompt=%(here)s\n").is_err());
}

#[test]
fn a_file_without_the_section_is_an_error_and_no_ini_text_another() {
    let dir = Folder::new();
    let rc = |text: &str| exit_code(&ctl(&dir, text).unwrap_err());
    assert_eq!(rc("[supervisord]\n"), 2);
    assert_eq!(rc("[supervisorctl]\nserverurl=%(nope)s\n"), 2);
    assert_eq!(rc("[supervisorctl]\n[ctlplugin:x]\n"), 2);
    assert_eq!(rc("junk\n"), 1);
    let missing = load_ctl_with(Some("none.conf"), &dir.env()).unwrap_err();
    assert_eq!(missing.to_string(), "could not find config file none.conf");
}

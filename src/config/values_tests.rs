//! Recorded results of the reference on CPython 3.11.7, and properties.

use super::*;

type Pairs = Option<&'static [(&'static str, &'static str)]>;

/// `environment=`.
#[rustfmt::skip]
const PAIRS: &[(&str, Pairs)] = &[
    ("", Some(&[])),
    ("A=\"1\",B=\"2\"", Some(&[("A", "1"), ("B", "2")])),
    ("A='x y',B=\"p,q\"", Some(&[("A", "x y"), ("B", "p,q")])),
    ("A=1,B=2", Some(&[("A", "1"), ("B", "2")])),
    ("A=/a/b.c-d:e+f,B=(x)", Some(&[("A", "/a/b.c-d:e+f"), ("B", "(x)")])),
    ("A=\"a=b\",B=\"\"", Some(&[("A", "a=b"), ("B", "")])),
    ("A=\"1\",B=\"2\",", Some(&[("A", "1"), ("B", "2")])),
    ("A = \"1\" , B = \"2\"", Some(&[("A", "1"), ("B", "2")])),
    ("A=\"it's\",B='say \"hi\"'", Some(&[("A", "it's"), ("B", "say \"hi")])),
    ("A=\"a;b\",B=\"c#d\"", Some(&[("A", "a;b"), ("B", "c#d")])),
    ("A", None),
    ("A=", None),
    ("A=1,B", None),
    ("A=\"x", None),
    ("A=1 B=2", None),
    ("=1", None),
    (",A=1", None),
    ("A==1", Some(&[("A", "=")])),
    ("A=x y", Some(&[("A", "x")])),
    ("A=1,A=2,B=3", Some(&[("A", "2"), ("B", "3")])),
    ("A=1,\nB=2", Some(&[("A", "1"), ("B", "2")])),
    ("A=1,\n\nB=2,\n", Some(&[("A", "1"), ("B", "2")])),
    ("A=b#c\nD,E=1", Some(&[("A", "bD"), ("E", "1")])),
    ("#c\nA=1", Some(&[("A", "1")])),
    ("A=\u{e9}", Some(&[("A", "\u{e9}")])),
    ("A=\u{e9}a", Some(&[("A", "\u{e9}")])),
    ("A=a\"b c\"", Some(&[("A", "a\"b")])),
    ("A=\"a\"b", Some(&[("A", "a")])),
    ("\"A\"=1", Some(&[("\"A\"", "1")])),
    ("A=1;B=2", Some(&[("A", "1"), ("B", "2")])),
    ("A=\"\"'x'\"\"", None),
    ("A='\"x\"'", Some(&[("A", "x")])),
    ("A=$x", Some(&[("A", "$")])),
    ("A=a$x", None),
    ("A=1,,B=2", None),
    ("A=@,B=2", Some(&[("A", "@"), ("B", "2")])),
    ("A=x/y:z", Some(&[("A", "x/y:z")])),
    ("A=1,B=2 C", Some(&[("A", "1"), ("B", "2")])),
    ("A=~/x", Some(&[("A", "~")])),
    ("A=a\\b", None),
];

/// Byte sizes; what is beyond 64 bits ends there.
#[rustfmt::skip]
const SIZES: &[(&str, Option<i64>)] = &[
    ("0", Some(0)),
    ("123", Some(123)),
    ("5KB", Some(5120)),
    ("2mb", Some(2097152)),
    ("1 GB", Some(1073741824)),
    ("1gB", Some(1073741824)),
    ("-1", Some(-1)),
    ("-1KB", Some(-1024)),
    ("+1MB", Some(1048576)),
    (" 7 ", Some(7)),
    ("1_0KB", Some(10240)),
    ("KB", None),
    ("", None),
    ("1XB", None),
    ("lots", None),
    ("5 MBB", None),
    ("1.5MB", None),
    ("1K", None),
    ("5M", None),
    ("0x10", None),
    ("5\u{212a}b", Some(5120)),
    ("9999999999999GB", Some(i64::MAX)),
];

/// `exitcodes=`.
#[rustfmt::skip]
const EXIT_CODES: &[(&str, Option<&[i32]>)] = &[
    ("", Some(&[])),
    ("0", Some(&[0])),
    ("0,2", Some(&[0, 2])),
    ("0, 1 ,2", Some(&[0, 1, 2])),
    ("255", Some(&[255])),
    ("256", None),
    ("-1", None),
    ("a", None),
    ("1,x", None),
    ("1,", None),
    ("0x1", None),
    (" ", None),
    ("+1", Some(&[1])),
    ("1_0", Some(&[10])),
];

/// `port=` of a server.
#[rustfmt::skip]
const INET: &[(&str, Option<(&str, u16)>)] = &[
    ("9001", Some(("", 9001))),
    ("*:9001", Some(("", 9001))),
    (":9001", Some(("", 9001))),
    ("LOCALHOST:9001", Some(("localhost", 9001))),
    ("127.0.0.1:1", Some(("127.0.0.1", 1))),
    ("::1:80", Some(("::1", 80))),
    ("[::1]:80", Some(("[::1]", 80))),
    ("a:b:80", Some(("a:b", 80))),
    ("0", None),
    ("65535", Some(("", 65535))),
    ("65536", None),
    ("-1", None),
    ("abc", None),
    ("127.0.0.1:", None),
    ("", None),
    ("1.2.3.4: 80 ", Some(("1.2.3.4", 80))),
    ("x", None),
];

fn env() -> Env {
    Env { cwd: "/".into(), vars: vec![("HOME".into(), "/root".into())], ..Env::default() }
}

#[test]
fn lists_of_variables_are_read_as_the_reference_reads_them() {
    for (text, recorded) in PAIRS {
        let own = pairs(text).ok();
        let recorded = recorded.map(|list| {
            list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(own, recorded, "{text:?}");
    }
}

#[test]
fn sizes_exit_codes_and_addresses_are_those_of_the_reference() {
    for (text, recorded) in SIZES {
        assert_eq!(byte_size(text).ok(), *recorded, "{text:?}");
    }
    for (text, recorded) in EXIT_CODES {
        assert_eq!(exit_codes(text).ok().as_deref(), *recorded, "{text:?}");
    }
    for (text, recorded) in INET {
        let own = inet_address(text).ok();
        assert_eq!(own.as_ref().map(|(h, p)| (h.as_str(), *p)), *recorded, "{text:?}");
    }
}

#[test]
fn truth_has_four_words_each_way() {
    for text in ["yes", "TRUE", "On", "1"] {
        assert_eq!(boolean(text), Ok(true));
    }
    for text in ["no", "False", "OFF", "0"] {
        assert_eq!(boolean(text), Ok(false));
    }
    for text in ["", "maybe", "2", " true", "y"] {
        assert_eq!(boolean(text), Err(ValueError::Bool));
    }
    assert_eq!(restart("Unexpected"), Ok(Autorestart::Unexpected));
    assert_eq!(restart("1"), Ok(Autorestart::Always));
    assert_eq!(restart("off"), Ok(Autorestart::Never));
    assert_eq!(restart(""), Err(ValueError::Restart));
}

#[test]
fn seconds_are_whole_and_may_be_spelt_as_a_length_of_time() {
    for (text, value) in [
        ("0", Ok(0)),
        ("-1", Ok(-1)),
        (" 1_0 ", Ok(10)),
        ("1m30s", Ok(90)),
        ("1m 30s", Ok(90)),
        ("2h", Ok(7200)),
        ("1.5", Err(ValueError::Seconds)),
        ("1.5s", Err(ValueError::Seconds)),
        ("500ms", Err(ValueError::Seconds)),
        ("x", Err(ValueError::Seconds)),
        ("", Err(ValueError::Seconds)),
        ("99999999999999999999", Ok(i64::from(i32::MAX))),
        ("900years", Err(ValueError::Seconds)),
    ] {
        assert_eq!(seconds(text), value, "{text:?}");
    }
}

#[test]
fn logs_have_names_and_words() {
    let target = |t| Ok(LogName::Target(t));
    assert_eq!(log_name("none", &env()), target(LogTarget::None));
    assert_eq!(log_name("OFF", &env()), target(LogTarget::None));
    assert_eq!(log_name("", &env()), target(LogTarget::None));
    assert_eq!(log_name("Auto", &env()), target(LogTarget::Auto));
    assert_eq!(log_name("SYSLOG", &env()), Ok(LogName::Syslog));
    assert_eq!(log_name("x.log", &env()), target(LogTarget::File("x.log".into())));
    assert_eq!(log_name("/no/such/x.log", &env()), Err(ValueError::FolderOf("/no/such".into())));
}

#[test]
fn users_and_groups_go_by_name_or_number() {
    let root = User { name: "root".into(), uid: 0, gid: 0 };
    assert_eq!(user("root"), Ok(root.clone()));
    assert_eq!(user(" +0 "), Ok(root));
    assert_eq!(user("no-such-user"), Err(ValueError::UserName));
    assert_eq!(user(""), Err(ValueError::UserName));
    assert_eq!(user("-1"), Err(ValueError::UserId));
    assert_eq!(owner("root"), Ok((0, KEEP_GROUP)));
    assert_eq!(owner("0:root"), Ok((0, 0)));
    assert_eq!(owner("root:"), Err(ValueError::GroupName));
    assert_eq!(owner("root:-1"), Err(ValueError::GroupId));
}

#[test]
fn names_must_not_break_events_and_links() {
    assert_eq!(name(" a.b "), Ok("a.b".into()));
    assert_eq!(name("a b"), Err(ValueError::Name(' ')));
    assert_eq!(name("a:b"), Err(ValueError::Name(':')));
    assert_eq!(name("a/b"), Err(ValueError::Name('/')));
}

#[test]
fn sockets_and_entry_points_have_one_spelling() {
    assert_eq!(tcp_url("tcp://LocalHost:09000"), Some(("localhost".into(), 9000)));
    for bad in ["tcp://a:0", "tcp://a:70000", "tcp://:80", "tcp://a b:80", "tcp://[::1]:80", "x"] {
        assert_eq!(tcp_url(bad), None, "{bad}");
    }
    assert_eq!(entry_point("a.b : c.d [e]").as_deref(), Some("a.b:c.d"));
    assert_eq!(entry_point("a.b"), None);
    assert_eq!(entry_point("a b:c"), None);
    assert!(is_url("http://localhost:9001") && is_url("unix:///x") && is_url("a:b"));
    assert!(!is_url("localhost") && !is_url("http://") && !is_url("1http://x"));
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in "(\\PC|[-+_0-9kKmMgGbB :,='\"#./])*") {
        let _ = (whole(&text), seconds(&text), byte_size(&text), boolean(&text), octal(&text));
        let _ = (exit_codes(&text), pairs(&text), inet_address(&text), tcp_url(&text));
        let _ = (signal_number(&text), entry_point(&text), is_url(&text), name(&text));
        let _ = (count(&text), limit(&text), list(&text));
    }

    #[test]
    fn quoted_variables_are_read_back(
        vars in proptest::collection::btree_map("[A-Z_]{1,6}", "[^'\"]{0,12}", 0..5)
    ) {
        let text: Vec<String> = vars.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        let read = pairs(&text.join(",")).unwrap();
        proptest::prop_assert_eq!(read, vars.into_iter().collect::<Vec<_>>());
    }
}

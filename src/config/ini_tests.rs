//! Recorded results of CPython 3.11.7's RawConfigParser as the reference makes it, and properties.

use super::*;

/// Section by section, option by option; or the numbers of the lines that are wrong.
type Outcome =
    Result<&'static [(&'static str, &'static [(&'static str, &'static str)])], &'static [usize]>;

#[rustfmt::skip]
const RECORDED: &[(&str, Outcome)] = &[
    ("[program:a]\ncommand=/bin/cat\n", Ok(&[("program:a", &[("command", "/bin/cat")])])),
    ("[program:a]\ncommand = /bin/cat  \n", Ok(&[("program:a", &[("command", "/bin/cat")])])),
    ("[program:a]\ncommand: /bin/cat\n", Ok(&[("program:a", &[("command", "/bin/cat")])])),
    ("[program:a]\nenvironment=A=1,B=\"x=y\"\n", Ok(&[("program:a", &[("environment", "A=1,B=\"x=y\"")])])),
    ("[program:a]\nserverurl: http://h:9?x=1\n", Ok(&[("program:a", &[("serverurl", "http://h:9?x=1")])])),
    ("[supervisorctl]\nserverurl=http://localhost:9001\n", Ok(&[("supervisorctl", &[("serverurl", "http://localhost:9001")])])),
    ("[program:a]\nCommand=/bin/cat\n", Ok(&[("program:a", &[("command", "/bin/cat")])])),
    ("[Program:Web]\ncommand=x\n", Ok(&[("Program:Web", &[("command", "x")])])),
    ("[program:a]\ncommand=/bin/cat ; note\n", Ok(&[("program:a", &[("command", "/bin/cat")])])),
    ("[program:a]\ncommand=/bin/cat # note\n", Ok(&[("program:a", &[("command", "/bin/cat")])])),
    ("[program:a]\ncommand=sh -c \"a;b\"\n", Ok(&[("program:a", &[("command", "sh -c \"a;b\"")])])),
    ("[program:a]\ncommand=echo a#b\n", Ok(&[("program:a", &[("command", "echo a#b")])])),
    ("[program:a]\ncommand=/bin/cat\t; note\n", Ok(&[("program:a", &[("command", "/bin/cat")])])),
    ("[program:a]\ncommand=a;b ; c\n", Ok(&[("program:a", &[("command", "a;b")])])),
    ("[program:a]\nkey=;x\n", Ok(&[("program:a", &[("key", ";x")])])),
    ("[program:a]\nkey= ;x\n", Ok(&[("program:a", &[("key", "")])])),
    ("[program:a]\nkey=a #b ;c\n", Ok(&[("program:a", &[("key", "a")])])),
    ("[supervisorctl]\npassword=p#w\n", Ok(&[("supervisorctl", &[("password", "p#w")])])),
    ("[inet_http_server]\npassword={SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d\n", Ok(&[("inet_http_server", &[("password", "{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d")])])),
    ("# c\n; d\n[program:a]\n; e\ncommand=x\n# f\n", Ok(&[("program:a", &[("command", "x")])])),
    ("[program:a]\ncommand=x\n  ; indented\npriority=1\n", Ok(&[("program:a", &[("command", "x"), ("priority", "1")])])),
    ("[program:a]\nenvironment=A=1,\n  B=2,\n  C=3\npriority=1\n", Ok(&[("program:a", &[("environment", "A=1,\nB=2,\nC=3"), ("priority", "1")])])),
    ("[program:a]\ncommand=\n  /bin/cat\n  -u\n", Ok(&[("program:a", &[("command", "\n/bin/cat\n-u")])])),
    ("[program:a]\nenvironment=A=1,\n  ; note\n  B=2\n", Ok(&[("program:a", &[("environment", "A=1,\nB=2")])])),
    ("[program:a]\nenvironment=A=1,\n; note\n  B=2\n", Ok(&[("program:a", &[("environment", "A=1,\nB=2")])])),
    ("[program:a]\nenvironment=A=1, ; n\n  B=2 ; m\n", Ok(&[("program:a", &[("environment", "A=1,\nB=2")])])),
    ("[program:a]\nenvironment=A=1,\n\n  B=2\n", Ok(&[("program:a", &[("environment", "A=1,\n\nB=2")])])),
    ("[program:a]\ncommand=a\n  key=value\n", Ok(&[("program:a", &[("command", "a\nkey=value")])])),
    ("[program:a]\ncommand=a\n  [x]\n", Ok(&[("program:a", &[("command", "a\n[x]")])])),
    ("[program:a]\n  command=x\n  priority=1\n", Ok(&[("program:a", &[("command", "x"), ("priority", "1")])])),
    ("  [program:a]\ncommand=x\n", Ok(&[("program:a", &[("command", "x")])])),
    ("[program:a]\n  a=1\n    b=2\n  c=3\n", Ok(&[("program:a", &[("a", "1\nb=2"), ("c", "3")])])),
    ("[program:a]\ncommand=a\n\tb\n", Ok(&[("program:a", &[("command", "a\nb")])])),
    ("[program:a]\nuser=\ncommand=x\n", Ok(&[("program:a", &[("command", "x"), ("user", "")])])),
    ("[program:a]\nautostart\ncommand=x\n", Err(&[2])),
    ("command=x\n[program:a]\n", Err(&[1])),
    ("[program:a]\ncommand=x\ncommand=y\n", Ok(&[("program:a", &[("command", "y")])])),
    ("[program:a]\ncommand=x\n[b]\nk=1\n[program:a]\npriority=2\n", Ok(&[("program:a", &[("command", "x"), ("priority", "2")]), ("b", &[("k", "1")])])),
    ("[z]\nk=1\n[a]\nk=1\n[m]\nk=1\n", Ok(&[("z", &[("k", "1")]), ("a", &[("k", "1")]), ("m", &[("k", "1")])])),
    ("[DEFAULT]\nuser=joe\n[program:a]\ncommand=x\n", Ok(&[("program:a", &[("command", "x"), ("user", "joe")])])),
    ("[default]\nuser=joe\n[program:a]\ncommand=x\n", Ok(&[("default", &[("user", "joe")]), ("program:a", &[("command", "x")])])),
    ("[program:a] ; note\ncommand=x\n", Ok(&[("program:a", &[("command", "x")])])),
    ("[program:a] junk\ncommand=x\n", Ok(&[("program:a", &[("command", "x")])])),
    ("[a]b]\nk=1\n", Ok(&[("a]b", &[("k", "1")])])),
    ("[]\nk=1\n", Err(&[1])),
    ("[program:a\ncommand=x\n", Err(&[1])),
    ("[ program:a ]\ncommand=x\n", Ok(&[(" program:a ", &[("command", "x")])])),
    ("\u{feff}[program:a]\ncommand=x\n", Err(&[1])),
    ("[program:a]\r\ncommand=x\r\nb=1\r\n", Ok(&[("program:a", &[("b", "1"), ("command", "x")])])),
    ("[program:a]\ncommand=a\rb=1\n", Ok(&[("program:a", &[("b", "1"), ("command", "a")])])),
    ("[program:\u{e9}]\ncommand=echo \u{fc} ; \u{f6}\n", Ok(&[("program:\u{e9}", &[("command", "echo \u{fc}")])])),
    ("[a]\n\u{c4}=1\n", Ok(&[("a", &[("\u{e4}", "1")])])),
    ("[a]\nk=\u{a0}x\u{a0}\n", Ok(&[("a", &[("k", "x")])])),
    ("[a]\nk=a\u{c}b\u{1c}c\n", Ok(&[("a", &[("k", "a\u{c}b\u{1c}c")])])),
    ("[a]\nk=a\u{2028}b=1\n", Ok(&[("a", &[("k", "a\u{2028}b=1")])])),
    ("[a]\nk=%(here)s/%%d\n", Ok(&[("a", &[("k", "%(here)s/%%d")])])),
    ("[a]\nk=\"x ; y\"\n", Ok(&[("a", &[("k", "\"x")])])),
    ("[a]\nrem this is no comment\nk=1\n", Err(&[2])),
    ("[a]\nmy key = 1\n", Ok(&[("a", &[("my key", "1")])])),
    ("[a]\n=x\n", Err(&[2])),
    ("[a]\nk  =x\n", Ok(&[("a", &[("k", "x")])])),
    ("[a]\nk=a\\\nb=1\n", Ok(&[("a", &[("b", "1"), ("k", "a\\")])])),
    ("[a]\nk=1", Ok(&[("a", &[("k", "1")])])),
    ("[a]\nk=a\u{0}b\n", Ok(&[("a", &[("k", "a\u{0}b")])])),
    ("\n\n", Ok(&[])),
    ("[a]\nk=x;y #z\n", Ok(&[("a", &[("k", "x;y")])])),
    ("[a]\nk=a#b c#d ;e\n", Ok(&[("a", &[("k", "a#b c#d")])])),
    ("[a]\nk=a;b #c ;d\n", Ok(&[("a", &[("k", "a;b")])])),
    ("[a]\nk=a#1 ;2 #3\n", Ok(&[("a", &[("k", "a#1")])])),
    ("[a]\n k=1\n  j=2\n\n  3\n[b]\n", Ok(&[("a", &[("k", "1\nj=2\n\n3")]), ("b", &[])])),
    ("[a]\nk=1\njunk\n  more\nj=2\nalso\n", Err(&[3, 6])),
    ("[a]\n=x\n  y\nk=1\n", Err(&[2, 3])),
    ("[a]\nk\u{1c}=\u{1c}1\n", Ok(&[("a", &[("k", "1")])])),
    ("[]]\nk=1\n", Ok(&[("]", &[("k", "1")])])),
    ("[DEFAULT]\nd=1\n[a]\nD=2\n[b]\n", Ok(&[("a", &[("d", "2")]), ("b", &[("d", "1")])])),
    ("[a]\nk=1\nk:2\nj=3\nK=4\n", Ok(&[("a", &[("j", "3"), ("k", "4")])])),
    ("[a]\nk=\n\n\n", Ok(&[("a", &[("k", "")])])),
    ("[a]\nk=1 \\\n  ; c\n  2\n", Ok(&[("a", &[("k", "1 \\\n2")])])),
    ("x\n", Err(&[1])),
    ("; only\n# comments\n", Ok(&[])),
    ("[a]\n[a]\nk=1", Ok(&[("a", &[("k", "1")])])),
    ("[a]\nk=1\n\n  2\n\n; c\n  3\n", Ok(&[("a", &[("k", "1\n\n2\n\n3")])])),
    ("[a]\n\u{130}=1\n", Ok(&[("a", &[("i\u{307}", "1")])])),
    ("[a]\nk = = 1\n", Ok(&[("a", &[("k", "= 1")])])),
    ("[a]\nk=[b]\n[c] = 1\n", Ok(&[("a", &[("k", "[b]")]), ("c", &[])])),
];

type Read = Vec<(String, Vec<(String, String)>)>;

fn outcome(text: &str) -> Result<Read, Vec<usize>> {
    let mut ini = Ini::default();
    match ini.read(text, "x.conf") {
        Ok(()) => Ok(ini
            .sections()
            .iter()
            .map(|s| {
                let mut entries: Vec<_> =
                    ini.entries(s).map(|e| (e.key.clone(), e.value.clone())).collect();
                entries.sort();
                (s.name.clone(), entries)
            })
            .collect()),
        Err(IniError::Mark { .. }) => Err(vec![1]),
        Err(IniError::NoHeader { line, .. }) => Err(vec![line]),
        Err(IniError::Lines { lines, .. }) => Err(lines.into_iter().map(|(n, _)| n).collect()),
    }
}

#[test]
fn texts_are_read_as_python_reads_them() {
    for (text, recorded) in RECORDED {
        let own = |s: &&str| (*s).to_owned();
        let recorded = recorded.map_err(<[usize]>::to_vec).map(|sections| {
            sections
                .iter()
                .map(|(name, entries)| {
                    (own(name), entries.iter().map(|(k, v)| (own(k), own(v))).collect::<Vec<_>>())
                })
                .collect::<Vec<_>>()
        });
        assert_eq!(outcome(text), recorded, "{text:?}");
    }
}

#[test]
fn every_option_knows_its_file_and_line() {
    let mut ini = Ini::default();
    ini.read("[a]\nk=1\n j\nk=2\n\nm=3\n", "one").unwrap();
    ini.read("# note\n[b]\n[a]\nm=4\n", "two").unwrap();
    let a = ini.section("a").unwrap();
    let at = |key: &str| {
        let e = ini.get(a, key).unwrap();
        (e.value.clone(), e.file.to_string(), e.line)
    };
    assert_eq!(at("k"), ("2".into(), "one".into(), 4));
    assert_eq!(at("m"), ("4".into(), "two".into(), 4));
    assert_eq!((a.file.as_ref(), a.line), ("one", 1));
    let b = ini.section("b").unwrap();
    assert_eq!((b.file.as_ref(), b.line), ("two", 2));
}

#[test]
fn here_is_put_in_wherever_it_still_stands() {
    let mut ini = Ini::default();
    ini.read("[DEFAULT]\nd=%(here)s\n[a]\nk=%%(here)s %(here)s/x\n", "one").unwrap();
    ini.replace_here("/one");
    ini.read("[b]\nk=%(here)s\n", "two").unwrap();
    ini.replace_here("/two");
    let value = |section: &str, key: &str| {
        ini.get(ini.section(section).unwrap(), key).unwrap().value.clone()
    };
    assert_eq!(value("a", "k"), "%/one /one/x");
    assert_eq!(value("a", "d"), "/one");
    assert_eq!(value("b", "k"), "/two");
    assert_eq!(value("b", "d"), "/two");
}

#[test]
fn errors_name_file_and_line() {
    let mut ini = Ini::default();
    let e = ini.read("[a]\nk=1\ncommand\n", "s.conf").unwrap_err().to_string();
    assert_eq!(e, "s.conf:3: \"command\" is neither [section] nor key=value nor a comment");
    let e = Ini::default().read("\u{feff}[a]\n", "s.conf").unwrap_err().to_string();
    assert!(e.starts_with("s.conf:1: "), "{e}");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in "(\\[a\\]|\\PC|[\\[\\]=:;#\\r\\n\\t k])*") {
        let _ = outcome(&text);
    }

    #[test]
    fn what_is_written_plainly_is_read_back(
        entries in proptest::collection::btree_map("[a-z_]{1,8}", "[a-z0-9/%(){},.\"']{0,12}", 0..8)
    ) {
        let mut text = String::from("[s]\n");
        for (k, v) in &entries {
            text.push_str(&format!("{k} = {v}\n"));
        }
        let read = outcome(&text).unwrap();
        proptest::prop_assert_eq!(&read[0].1, &entries.into_iter().collect::<Vec<_>>());
    }
}

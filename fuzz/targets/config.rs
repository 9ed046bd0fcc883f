//! The configuration: its text, its expressions, its values, and a file as a whole.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use supervisord::config::diff::diff;
use supervisord::config::env::Env;
use supervisord::config::expand::{Names, Scope, expand as expanded};
use supervisord::config::fuzzing::{fits, tokens};
use supervisord::config::ini::Ini;
use supervisord::config::load::{Mode, load_with};
use supervisord::config::model::{Config, Overrides};
use supervisord::config::{ConfigError, values};
use supervisord::coordinator::published::Published;

/// A text reads the same with any line ends, and an error names a line that is there.
pub fn ini(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    let read = |text: &str| {
        let mut ini = Ini::default();
        ini.read(text, "file").map(|()| (shape(&ini), ini)).map_err(|e| e.to_string())
    };
    let whole = read(&text);
    for other in [unix.clone(), unix.replace('\n', "\r\n"), unix.replace('\n', "\r")] {
        let got = read(&other);
        assert_eq!(got.as_ref().map(|g| &g.0).err(), whole.as_ref().map(|w| &w.0).err());
        assert_eq!(got.ok().map(|g| g.0), whole.as_ref().ok().map(|w| w.0.clone()));
    }
    let Ok((sections, mut ini)) = whole else { return };
    let lines = unix.split('\n').count();
    for (name, line, entries) in &sections {
        assert!(!name.is_empty() && name != "DEFAULT" && (1..=lines).contains(line));
        for (key, value, line) in entries {
            assert!(!key.is_empty() && key.trim() == key && !value.contains('\r'));
            assert!((1..=lines).contains(line));
            let section = ini.section(name).expect("a section has its name");
            let entry = ini.get(section, key).expect("an option has its name");
            assert_eq!((&entry.value, entry.line), (value, *line));
        }
    }
    // a second file adds to the first: reading the same again changes nothing
    ini.read(&text, "file").expect("it could be read before");
    assert_eq!(shape(&ini), sections);
    ini.replace_here("/somewhere");
}

type Shape = Vec<(String, usize, Vec<(String, String, usize)>)>;

fn shape(ini: &Ini) -> Shape {
    let entries = |section| {
        ini.entries(section).map(|e| (e.key.clone(), e.value.clone(), e.line)).collect::<Vec<_>>()
    };
    ini.sections().iter().map(|s| (s.name.clone(), s.line, entries(s))).collect()
}

/// Every expression has a value or an error; an escaped text stands for itself.
pub fn expand(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut near = Names::default();
    near.set("program_name", "web");
    near.set_int("process_num", 7);
    near.set_int("numprocs", -42);
    near.set("a(b)", "brackets");
    let mut far = Names::default();
    far.set_env("HOME", "/home/ü");
    far.set_env("EMPTY", "");
    far.set("program_name", "hidden");
    let scope = [&near, &far];
    if !has_long_number(&text)
        && let Err(error) = expanded(&text, Scope(&scope))
    {
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(expanded(&text.replace('%', "%%"), Scope(&scope)).as_deref(), Ok(&*text));
    if !text.contains('%') {
        assert_eq!(expanded(&text, Scope(&scope)).as_deref(), Ok(&*text));
    }
}

/// Whether a width or a count may take much memory, which is the author's right.
fn has_long_number(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit() && c != '_').any(|run| run.len() > 3)
}

/// A command line splits into words; words in quotes come back as they were.
pub fn shlex(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(words) = values::shlex_split(&text) else { return };
    let quoted: Vec<String> =
        words.iter().map(|w| format!("'{}'", w.replace('\'', "'\\''"))).collect();
    assert_eq!(values::shlex_split(&quoted.join(" ")), Ok(words.clone()));
    let escaped: Vec<String> = words
        .iter()
        .map(|w| format!("\"{}\"", w.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    assert_eq!(values::shlex_split(&escaped.join("\n\t")), Ok(words));
}

/// A list of variables has each name once; written plainly it reads the same.
pub fn environment_list(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(found) = tokens(&text) {
        assert!(found.iter().all(|t| !t.is_empty()));
    }
    let Ok(pairs) = values::pairs(&text) else { return };
    for (i, (name, _)) in pairs.iter().enumerate() {
        assert!(pairs.iter().skip(i + 1).all(|(other, _)| other != name), "{name:?} twice");
    }
    let is_plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if pairs.iter().all(|(name, value)| is_plain(name) && !value.contains('"')) {
        let written: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}=\"{v}\"")).collect();
        assert_eq!(values::pairs(&written.join(",")).as_ref(), Ok(&pairs));
    }
}

/// Single values are in their range, whatever is written.
pub fn config_values(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    let env = env();
    assert!(values::seconds(text).unwrap_or(0).abs() <= i64::from(i32::MAX));
    assert!(values::octal(text).unwrap_or(0) <= 0o7777);
    assert!(values::exit_codes(text).unwrap_or_default().iter().all(|n| (0..=255).contains(n)));
    assert!(!values::name(text).unwrap_or_default().contains([' ', ':', '/']));
    if let Ok(number) = values::signal(text) {
        let name = values::signal_name(number);
        assert!(name.starts_with("signal ") || values::signal(&name) == Ok(number));
    }
    if let Ok((host, port)) = values::inet_address(text) {
        assert!(port > 0);
        assert_eq!(values::inet_address(&format!("{host}:{port}")), Ok((host, port)));
    }
    if let Some((host, port)) = values::tcp_url(text) {
        assert_eq!(values::tcp_url(&format!("tcp://{host}:{port}")), Some((host, port)));
    }
    let _ = (values::whole(text), values::count(text), values::limit(text));
    let _ = (values::byte_size(text), values::boolean(text), values::restart(text));
    let _ = (values::level(text), values::list(text), values::is_url(text));
    let _ = (values::entry_point(text), values::log_name(text, &env), values::folder(text, &env));
    let (pattern, name) = text.split_once('\n').unwrap_or((text, text));
    let fit = fits(pattern, name);
    if !pattern.contains(['*', '?', '[']) {
        assert_eq!(fit, pattern == name);
    }
    assert!(fits(&format!("{}*", "?".repeat(name.chars().count())), name));
}

/// A file is a configuration or an error; read again it is the same, and nothing has changed.
pub fn config_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // other files are no business of a test, and a thousand programs are the author's right
    if text.contains("include") || has_long_number(&text) {
        return;
    }
    match (load(data, Mode::Start), load(data, Mode::Start)) {
        (Ok(once), Ok(twice)) => {
            let nothing = (Vec::new(), Vec::new(), Vec::new());
            assert_eq!(diff(&once.groups, &twice.groups), nothing);
            let again = load(data, Mode::Reread).expect("a re-read asks for no more than a start");
            assert_eq!(diff(&once.groups, &again.groups), nothing);
        }
        (Err(once), Err(twice)) => assert_eq!(once, twice),
        _ => panic!("it depends on the time of day"),
    }
}

/// A file that is gone when dropped.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn load(text: &[u8], mode: Mode) -> Result<Config, ConfigError> {
    // the same name each time, since errors hold it
    let thread = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "");
    let name = format!("supervisord-fuzz-{}-{thread}.conf", std::process::id());
    let file = File(std::env::temp_dir().join(name));
    std::fs::write(&file.0, text).expect("there is room for a small file");
    let path = file.0.to_string_lossy().into_owned();
    let overrides = Overrides { configuration: Some(path), ..Overrides::default() };
    load_with(&overrides, &env(), mode)
}

fn env() -> Env {
    let var = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    Env {
        vars: vec![var("HOME", "/root"), var("PATH", "/bin:/usr/bin"), var("PCT", "50%")],
        cwd: "/".into(),
        host: "node".into(),
        uid: 0,
        program: "/usr/bin/supervisord".into(),
    }
}

/// What a daemon shows that has some programs, none of them started.
pub fn published() -> &'static Arc<Published> {
    static SHOWN: OnceLock<Arc<Published>> = OnceLock::new();
    SHOWN.get_or_init(|| {
        let log = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let text = format!(
            "[supervisord]\nlogfile={log}\n[program:cat]\ncommand=/bin/cat\nstdout_logfile={log}\n\
             [program:web]\ncommand=/bin/sh\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)d\n\
             stdout_logfile=/dev/null\nstderr_logfile=NONE\n\
             [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = \
             supervisor.rpcinterface:make_main_rpcinterface\n"
        );
        let config = load(text.as_bytes(), Mode::Start).expect("the configuration is good");
        supervisord::rpc::fuzzing::published(config)
    })
}

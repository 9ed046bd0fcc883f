//! The web page in a browser: it shows what happens without being loaded anew, its buttons work, and
//! pages from elsewhere can do nothing.
//!
//! Headless Chromium is driven over a pair of pipes, with messages of its DevTools protocol that end
//! with a zero byte. Without it the tests are skipped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod env;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use env::{TestEnv, free_port, skipped, wait_for};
use supervisord::json::{self, Json};

const BROWSERS: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/google-chrome"];

fn installed() -> Option<&'static str> {
    BROWSERS.into_iter().find(|path| Path::new(path).exists())
}

/// One browser at a time: several would wait for each other's processors, and one test measures.
static TURN: Mutex<()> = Mutex::new(());

/// A browser with one page.
struct Browser {
    _turn: MutexGuard<'static, ()>,
    process: Child,
    to: File,
    from: BufReader<File>,
    session: String,
    calls: u64,
}

impl Browser {
    /// Starts one; its files are in the test's folder. None: there is none, which is told.
    fn start(env: &TestEnv) -> Option<Browser> {
        let Some(path) = installed() else {
            skipped("there is no Chromium (Debian: chromium)");
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (to, from) = (env.path("to"), env.path("from"));
        for pipe in [&to, &from] {
            nix::unistd::mkfifo(pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }
        // both ends, so that opening waits for nobody
        let open = |pipe| OpenOptions::new().read(true).write(true).open(pipe).unwrap();
        let (to_file, from_file) = (open(&to), open(&from));
        let script = "to=$1 from=$2 profile=$3; shift 3; exec \"$@\" --headless=new --no-sandbox \
             --window-size=1280,1000 --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run \
             --remote-debugging-pipe --user-data-dir=\"$profile\" about:blank 3<\"$to\" 4>\"$from\"";
        let process = Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .args([&to, &from, &env.path("profile")])
            .arg(path)
            // a browser that is killed leaves its temporary files behind
            .env("TMPDIR", env.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let from = BufReader::new(from_file);
        let mut browser =
            Browser { _turn: turn, process, to: to_file, from, session: String::new(), calls: 0 };
        let target = browser.call("Target.createTarget", "{\"url\": \"about:blank\"}");
        let id = text(&target, &["targetId"]);
        let params = format!("{{\"targetId\": {}, \"flatten\": true}}", json::string(&id));
        browser.session = text(&browser.call("Target.attachToTarget", &params), &["sessionId"]);
        browser.call("Page.enable", "{}");
        // pages that nobody sees draw and ask for nothing
        browser.call("Page.bringToFront", "{}");
        Some(browser)
    }

    /// Sends a command and waits for its result.
    fn call(&mut self, method: &str, params: &str) -> Json {
        self.calls += 1;
        let session = match self.session.as_str() {
            "" => String::new(),
            session => format!(", \"sessionId\": \"{session}\""),
        };
        let id = self.calls;
        let message =
            format!("{{\"id\": {id}, \"method\": \"{method}\", \"params\": {params}{session}}}\0");
        self.to.write_all(message.as_bytes()).unwrap();
        loop {
            let mut answer = Vec::new();
            self.from.read_until(0, &mut answer).unwrap();
            answer.pop();
            let answer = json::parse(&String::from_utf8_lossy(&answer)).unwrap();
            if answer.get("id").and_then(Json::number::<u64>) == Some(id) {
                return answer
                    .get("result")
                    .unwrap_or_else(|| panic!("{method}: {answer:?}"))
                    .clone();
            }
        }
    }

    fn go(&mut self, address: &str) {
        self.call("Page.navigate", &format!("{{\"url\": {}}}", json::string(address)));
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// The value of an expression, as text.
    fn eval(&mut self, expression: &str) -> String {
        let wrapped = format!("(async () => String(await ({expression})))()");
        let params = format!(
            "{{\"expression\": {}, \"awaitPromise\": true, \"returnByValue\": true}}",
            json::string(&wrapped)
        );
        let result = self.call("Runtime.evaluate", &params);
        match result.get("result").and_then(|r| r.get("value")).and_then(Json::as_str) {
            Some(text) => text.to_owned(),
            // a page that is being replaced has no answers
            None => format!("{result:?}"),
        }
    }

    fn until(&mut self, condition: &str) {
        wait_for(condition, || (self.eval(condition) == "true").then_some(()));
    }

    fn click(&mut self, selector: &str) {
        let expression = format!("document.querySelector({}).click()", json::string(selector));
        assert_eq!(self.eval(&expression), "undefined", "{selector}");
    }

    /// The roles that screen readers are told, in order.
    fn roles(&mut self) -> Vec<String> {
        let tree = self.call("Accessibility.getFullAXTree", "{}");
        let Some(Json::List(nodes)) = tree.get("nodes") else { panic!("{tree:?}") };
        let role = |node: &Json| Some(node.get("role")?.get("value")?.as_str()?.to_owned());
        nodes.iter().filter_map(role).collect()
    }

    /// A picture, in the target folder for people to look at.
    fn picture(&mut self, name: &str, (wide, high): (u32, u32), dark: bool) {
        let params = format!(
            "{{\"width\": {wide}, \"height\": {high}, \"deviceScaleFactor\": 1, \"mobile\": false}}"
        );
        self.call("Emulation.setDeviceMetricsOverride", &params);
        let scheme = if dark { "dark" } else { "light" };
        let params = format!(
            "{{\"features\": [{{\"name\": \"prefers-color-scheme\", \"value\": \"{scheme}\"}}]}}"
        );
        self.call("Emulation.setEmulatedMedia", &params);
        let shot = self.call("Page.captureScreenshot", "{\"format\": \"png\"}");
        let bytes = STANDARD.decode(text(&shot, &["data"])).unwrap();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pictures");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(value: &Json, path: &[&str]) -> String {
    let found = path.iter().fold(value, |value, name| value.get(name).unwrap());
    found.as_str().unwrap().to_owned()
}

const PROGRAMS: &str = "[program:web]\ncommand=/bin/cat\nstartsecs=0\n\
    [program:manual]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n\
    [program:crash]\ncommand=/bin/sh -c 'echo reason >&2; exit 3'\nautostart=false\nstartsecs=0\n\
    autorestart=false\n\
    [program:worker]\ncommand=/bin/cat\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)d\n\
    startsecs=0\n\
    [program:loud]\ncommand=/bin/sh -c 'while read -r l; do printf \"%%b\\\\n\" \"$l\"; done'\nstartsecs=0\n\
    [program:a<script>b]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n";

/// A daemon on a TCP port, and a browser.
fn setup(programs: &str) -> Option<(TestEnv, Browser, String)> {
    let port = free_port();
    let env = TestEnv::started(&format!("[inet_http_server]\nport=127.0.0.1:{port}\n{programs}"));
    let browser = Browser::start(&env)?;
    Some((env, browser, format!("http://127.0.0.1:{port}")))
}

fn state(name: &str) -> String {
    format!("document.querySelector(\"[data-process='{name}'] .state\").textContent")
}

#[test]
fn buttons_work_and_the_page_shows_it_without_being_loaded_anew() {
    let Some((env, mut browser, site)) = setup(PROGRAMS) else { return };
    browser.go(&site);
    browser.eval("window.same = true");
    browser.until(&format!("{} === 'running'", state("web")));
    let button = |name: &str, action: &str| format!("[data-process='{name}'] a[href$='={action}']");
    browser.click(&button("manual", "start"));
    browser.until(&format!("{} === 'running'", state("manual")));
    browser
        .until("document.querySelector('[role=status].message').textContent.includes('started')");
    browser.click(&button("manual", "stop"));
    browser.until(&format!("{} === 'stopped'", state("manual")));
    let pid = env.ctl_text(&["pid", "web"]);
    browser.click(&button("web", "restart"));
    wait_for("another pid", || (env.ctl_text(&["pid", "web"]) != pid).then_some(()));
    // what others do is seen, too
    env.ctl(&["stop", "web"]);
    browser.until(&format!("{} === 'stopped'", state("web")));
    browser.eval("window.confirm = () => true");
    let group = |action: &str| format!(".groups li:first-child button[value={action}]");
    browser.click(&group("stop"));
    browser.until(&format!("{} === 'stopped'", state("worker:worker_1")));
    browser.click(&group("start"));
    browser.until(&format!("{} === 'running'", state("worker:worker_1")));
    browser.click("nav a[href$='=stopall']");
    browser.until(&format!("{} === 'stopped'", state("loud")));
    browser.click("button[value=startall]");
    browser.until(&format!("{} === 'running'", state("loud")));
    browser.click(&button("loud", "clearlog"));
    browser
        .until("document.querySelector('[role=status].message').textContent.includes('cleared')");
    assert_eq!(browser.eval("window.same"), "true");
}

#[test]
fn rows_show_usage_and_can_be_filtered_while_typing() {
    let Some((_env, mut browser, site)) = setup(PROGRAMS) else { return };
    browser.go(&site);
    browser.until("document.querySelector(\"[data-process='web'] .usage + .usage .value\").textContent.includes('MB')");
    let shown = "[...document.querySelectorAll('[data-process]')].filter(r => !r.hidden).length";
    browser.eval("(i => { i.value = 'WORKER'; i.dispatchEvent(new Event('input')) })(document.querySelector('#filter'))");
    assert_eq!(browser.eval(shown), "2");
    assert_eq!(browser.eval("document.querySelector('#left').textContent"), "2 of 7 shown");
    browser.eval("(i => { i.value = ''; i.dispatchEvent(new Event('input')) })(document.querySelector('#filter'))");
    browser.eval("(i => { i.value = 'stopped'; i.dispatchEvent(new Event('input')) })(document.querySelector('#state'))");
    assert_eq!(browser.eval(shown), "3");
}

#[test]
fn a_log_grows_and_can_be_held_and_searched() {
    let Some((env, mut browser, site)) = setup(PROGRAMS) else { return };
    let say = |line: &str| {
        env.call("supervisor.sendProcessStdin", vec!["loud".into(), format!("{line}\n").into()])
            .unwrap();
    };
    wait_for("loud", || env.ctl_text(&["status", "loud"]).contains("RUNNING").then_some(()));
    say("first <script>window.bad = 1</script>");
    browser.go(&format!("{site}/tail.html?processname=loud"));
    let log = "document.querySelector('pre').textContent";
    browser.until(&format!("{log}.includes('first <script>')"));
    say("second");
    browser.until(&format!("{log}.includes('second')"));
    assert_eq!(browser.eval(&format!("{log}.split('first').length")), "2");
    browser.click("nav button");
    say("third");
    browser.click("nav button");
    browser.until(&format!("{log}.includes('third')"));
    say("\\033[1;31mred\\033[0m <b>");
    browser.until(&format!("{log}.includes('\\nred <b>')"));
    browser.eval("(i => { i.value = 'SEC'; i.dispatchEvent(new Event('input')) })(document.querySelector('input'))");
    assert_eq!(browser.eval(log), "second");
    assert_eq!(browser.eval("window.bad"), "undefined");
}

#[test]
fn names_stay_text() {
    let Some((env, mut browser, site)) = setup(PROGRAMS) else { return };
    browser.go(&site);
    let name = "a<script>b";
    assert_eq!(browser.eval(&state(name)), "stopped");
    env.ctl(&["start", name]);
    browser.until(&format!("{} === 'running'", state(name)));
    let scripts = "[...document.scripts].filter(s => !s.src).length";
    assert_eq!(browser.eval(scripts), "0");
    browser.go(&format!("{site}/process.html?processname=a%3Cscript%3Eb"));
    assert_eq!(browser.eval("document.querySelector('h1').textContent"), name);
    assert_eq!(browser.eval(scripts), "0");
}

#[test]
fn the_page_of_a_process_explains_its_exits() {
    let Some((env, mut browser, site)) = setup(PROGRAMS) else { return };
    browser.go(&format!("{site}/process.html?processname=crash"));
    browser.until("document.querySelectorAll('#usage figure').length === 2");
    env.ctl(&["start", "crash"]);
    browser.until("document.querySelector('#events').textContent.includes('EXITED')");
    browser.go(&format!("{site}/process.html?processname=crash"));
    let page = browser.eval("document.querySelector('main').textContent");
    assert!(page.contains("exit code 3") && page.contains("reason"), "{page}");
}

/// Answers every request on a port of its own with one page, as another site.
fn foreign_site(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
                page.len()
            );
        }
    });
    address
}

#[test]
fn pages_from_elsewhere_can_do_nothing() {
    let Some((env, mut browser, site)) = setup(PROGRAMS) else { return };
    wait_for("web", || env.ctl_text(&["status", "web"]).contains("RUNNING").then_some(()));
    let before = env.ctl_text(&["pid", "web"]);
    let stop = "processname=web&action=stop";
    let foreign = foreign_site(format!(
        "<iframe name=f></iframe><form id=x method=post target=f action='{site}/index.html'>\
         <input name=processname value=web><input name=action value=stop></form>\
         <img src='{site}/index.html?{stop}'>"
    ));
    browser.go(&foreign);
    browser.eval("document.querySelector('#x').submit()");
    browser.until("new Promise(done => setTimeout(() => done(true), 300))");
    let fetched = browser.eval(&format!(
        "fetch('{site}/index.html', {{method: 'POST', mode: 'no-cors', body: new URLSearchParams('{stop}')}}).then(r => r.type)"
    ));
    assert_eq!(fetched, "opaque");
    let call = "<methodCall><methodName>supervisor.stopAllProcesses</methodName></methodCall>";
    browser.eval(&format!(
        "fetch('{site}/RPC2', {{method: 'POST', mode: 'no-cors', body: '{call}'}}).then(r => r.type)"
    ));
    let read =
        browser.eval(&format!("fetch('{site}/status.json').then(r => r.text(), () => 'refused')"));
    assert_eq!(read, "refused");
    assert_eq!(env.ctl_text(&["pid", "web"]), before);
    // nor can it show our page inside of its own
    assert_eq!(browser.eval("window.frames[0].length"), "0");
}

#[test]
fn without_a_script_links_ask_and_forms_work() {
    let Some((env, mut browser, site)) = setup(PROGRAMS) else { return };
    browser.call("Emulation.setScriptExecutionDisabled", "{\"value\": true}");
    browser.go(&site);
    browser.click("[data-process='web'] a[href$='action=stop']");
    browser.until("document.title === 'Supervisor: nothing was done yet'");
    assert!(env.ctl_text(&["status", "web"]).contains("RUNNING"));
    browser.click("form button");
    browser.until(&format!("{} === 'stopped'", state("web")));
    browser.click(".groups li:first-child button[value=stop]");
    browser.until(&format!("{} === 'stopped'", state("worker:worker_1")));
    browser.go(&format!("{site}/index.html?filter=WORK&state=stopped"));
    assert_eq!(browser.eval("document.querySelectorAll('[data-process]').length"), "2");
}

#[test]
fn a_thousand_processes_render_in_under_a_second() {
    let many = "[program:p]\ncommand=/bin/cat\nautostart=false\nnumprocs=1000\n\
                process_name=%(program_name)s_%(process_num)04d\n";
    let Some((_env, mut browser, site)) = setup(many) else { return };
    browser.go(&site);
    let took = || "(e => e.domContentLoadedEventEnd - e.startTime)(performance.getEntriesByType('navigation')[0])";
    // the first time has the browser itself in it, and others use this machine, too
    let mut times = (0..10).map(|n| {
        browser.go(&format!("{site}/index.html?n={n}"));
        browser.eval(took()).parse::<f64>().unwrap()
    });
    let took = times.find(|took| *took < 1000.0);
    assert_eq!(browser.eval("document.querySelectorAll('[data-process]').length"), "1000");
    assert!(took.is_some(), "none of ten in under a second");
    let begun = Instant::now();
    browser.eval("(i => { i.value = '_0999'; i.dispatchEvent(new Event('input')) })(document.querySelector('#filter'))");
    assert!(begun.elapsed().as_millis() < 1000);
}

#[test]
fn pictures_are_made() {
    let Some((env, mut browser, site)) = setup(PROGRAMS) else { return };
    env.ctl(&["start", "crash"]);
    browser.go(&site);
    browser.until(
        "document.querySelector(\"[data-process='web'] .usage .value\").textContent.includes('%')",
    );
    browser.picture("desktop", (1280, 800), false);
    browser.picture("dark", (1280, 800), true);
    let roles = browser.roles();
    for role in ["table", "row", "columnheader", "rowheader", "cell"] {
        assert!(roles.iter().any(|r| r == role), "{role}: {roles:?}");
    }
    browser.picture("narrow", (400, 900), false);
    let too_wide = "document.documentElement.scrollWidth > innerWidth";
    assert_eq!(browser.eval(too_wide), "false");
    assert_eq!(browser.roles().iter().filter(|r| *r == "rowheader").count(), 7);
    browser.picture("tablet", (800, 900), false);
    assert_eq!(browser.eval(too_wide), "false");
    browser.go(&format!("{site}/process.html?processname=web"));
    browser.until("document.querySelector('#usage .value').textContent.includes('%')");
    browser.picture("process", (1280, 1000), false);
    browser.picture("process-narrow-dark", (400, 900), true);
    assert_eq!(browser.eval(too_wide), "false");
    browser.go(&format!("{site}/tail.html?processname=loud"));
    browser.picture("log", (1280, 500), false);
}

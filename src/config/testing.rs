//! A folder with configuration files, for tests.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::env::Env;
use super::error::ConfigError;
use super::load::{Mode, load_with};
use super::model::{Config, Overrides};

/// A folder of its own, gone when dropped.
pub struct Folder(PathBuf);

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Folder {
    pub fn new() -> Folder {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("config-test-{}-{n}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Folder(dir)
    }

    pub fn path(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let file = self.0.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub fn env(&self) -> Env {
        let var = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        Env {
            vars: vec![var("HOME", "/root"), var("FOO", "foo value"), var("PCT", "50%")],
            cwd: self.path(),
            host: "node".into(),
            uid: 0,
            program: format!("{}/bin/supervisord", self.path()),
        }
    }

    /// `[supervisord]`, then the text.
    pub fn load(&self, text: &str) -> Result<Config, ConfigError> {
        self.load_plain(&format!("[supervisord]\nchildlogdir=%(here)s\n{text}"))
    }

    pub fn load_plain(&self, text: &str) -> Result<Config, ConfigError> {
        self.write("s.conf", text);
        let over = Overrides { configuration: Some("s.conf".into()), ..Overrides::default() };
        load_with(&over, &self.env(), Mode::Start)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

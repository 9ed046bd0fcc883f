//! Stand-in reader of `[supervisorctl]` until the loader of `config` is there.
use std::path::{Path, PathBuf};

/// `[supervisorctl]`
#[derive(Debug, Clone, Default)]
pub struct CtlConfig {
    pub serverurl: Option<String>,
    pub username: Option<String>,
    pub password: Option<String>,
    pub prompt: Option<String>,
    pub history_file: Option<PathBuf>,
    pub plugins: Vec<String>,
}

/// Reads it.
pub fn load_ctl(path: &Path) -> Result<CtlConfig, String> {
    if !path.exists() {
        return Err(format!("could not find config file {}", path.display()));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|_| format!("could not read config file {}", path.display()))?;
    let mut c = CtlConfig::default();
    let (mut here, mut found) = (false, false);
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            here = name == "supervisorctl";
            found |= here;
            if let Some(p) = name.strip_prefix("ctlplugin:") {
                c.plugins.push(p.to_owned());
            }
        } else if here && let Some((k, v)) = line.split_once('=') {
            let v = v.split(" ;").next().unwrap_or("").trim().to_owned();
            match k.trim() {
                "serverurl" => c.serverurl = Some(v),
                "username" => c.username = Some(v),
                "password" => c.password = Some(v),
                "prompt" => c.prompt = Some(v),
                "history_file" => c.history_file = Some(v.into()),
                _ => {}
            }
        }
    }
    if found { Ok(c) } else { Err(".ini file does not include supervisorctl section".into()) }
}

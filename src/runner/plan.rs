//! What is needed to start a program, made once when its group is added.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use crate::config::model::{Output, Program};
use crate::coordinator::inbox::{Channel, ProcId};
use crate::coordinator::published::ProcSlot;
use crate::pump::StreamPlan;
use crate::runner::fcgi::SharedSocket;
use crate::sys::notify;

/// What is the same for all programs.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// supervisord's own environment, which children inherit.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// SUPERVISOR_SERVER_URL for programs without `serverurl=`.
    pub server_url: Option<String>,
    /// `strip_ansi=`
    pub strip_ansi: bool,
}

impl Surroundings {
    /// With the environment of this process, less what is between it and the service manager.
    pub fn new(server_url: Option<String>, strip_ansi: bool) -> Surroundings {
        let bytes = |s: OsString| s.into_vec();
        let all = std::env::vars_os().map(|(k, v)| (bytes(k), bytes(v)));
        let environment = all.filter(|(name, _)| !notify::is_private(name)).collect();
        Surroundings { environment, server_url, strip_ansi }
    }
}

/// How to start one process.
#[derive(Debug)]
pub struct Plan {
    /// Which process.
    pub id: ProcId,
    /// Its group's name.
    pub group: String,
    /// Its options.
    pub program: Arc<Program>,
    /// For stdout.
    pub stdout: Arc<StreamPlan>,
    /// For stderr; none when it goes where stdout goes.
    pub stderr: Option<Arc<StreamPlan>>,
    /// The FastCGI socket that becomes fd 0.
    pub socket: Option<Arc<SharedSocket>>,
    /// What all programs share.
    pub surroundings: Arc<Surroundings>,
}

impl Plan {
    /// The plan for a slot of the table.
    pub fn new(
        slot: &ProcSlot,
        listener: bool,
        socket: Option<Arc<SharedSocket>>,
        surroundings: Arc<Surroundings>,
    ) -> Plan {
        let stream = |channel: Channel, output: &Output, listener: bool| {
            Arc::new(StreamPlan {
                name: slot.config.name.clone(),
                channel,
                path: slot.logfile(channel).map(std::path::Path::to_owned),
                maxbytes: output.maxbytes,
                backups: output.backups,
                syslog: output.syslog,
                strip_ansi: surroundings.strip_ansi,
                // A listener's stdout speaks the listener protocol and nothing else.
                capture_maxbytes: if listener { 0 } else { output.capture_maxbytes },
                events_enabled: output.events_enabled && !listener,
                listener,
            })
        };
        let program = slot.config.clone();
        let stderr =
            (!program.redirect_stderr).then(|| stream(Channel::Stderr, &program.stderr, false));
        Plan {
            id: slot.id,
            group: slot.group.clone(),
            stdout: stream(Channel::Stdout, &program.stdout, listener),
            stderr,
            program,
            socket,
            surroundings,
        }
    }

    /// The child's environment: supervisord's, then the SUPERVISOR_ variables, then the program's.
    pub fn environment(&self) -> Vec<(&[u8], &[u8])> {
        fn set<'a>(env: &mut Vec<(&'a [u8], &'a [u8])>, name: &'a str, value: &'a str) {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            match env.iter_mut().find(|(n, _)| *n == name) {
                Some((_, old)) => *old = value,
                None => env.push((name, value)),
            }
        }
        let inherited = self.surroundings.environment.iter();
        let mut env = inherited.map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
        let mut set = |name, value| set(&mut env, name, value);
        set("SUPERVISOR_ENABLED", "1");
        if let Some(url) = self.program.serverurl.as_ref().or(self.surroundings.server_url.as_ref())
        {
            set("SUPERVISOR_SERVER_URL", url);
        }
        set("SUPERVISOR_PROCESS_NAME", &self.program.name);
        set("SUPERVISOR_GROUP_NAME", &self.group);
        for (name, value) in &self.program.environment {
            set(name, value);
        }
        env
    }

    /// The PATH that a command without a slash is looked up in.
    pub fn path(&self) -> Option<String> {
        self.program.environment.iter().find(|(n, _)| n == "PATH").map(|(_, v)| v.clone())
    }
}

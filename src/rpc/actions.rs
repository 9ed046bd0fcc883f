//! Calls that change something: they become an [`Op`] for the coordinator.
//!
//! Part of [`Service`]; runs on connection threads. All that touches files is done here, before the
//! coordinator hears of the call.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::args::Args;
use super::dispatch::{Named, Service};
use super::faults::{
    ALREADY_ADDED, BAD_NAME, BAD_SIGNAL, CANT_REREAD, FAILED, NO_FILE, NOT_EXECUTABLE, fault,
};
use super::value::{Fault, Value};
use crate::autolog;
use crate::config::model::{GroupKind, Level, Program};
use crate::config::values::signal_number;
use crate::coordinator::inbox::{Op, Shape, Target};
use crate::coordinator::published::ProcSlot;
use crate::runner::command::{CommandError, resolve_command};
use crate::runner::fcgi;

impl Service {
    pub(super) fn start(&self, name: &str, wait: bool) -> Result<Value, Fault> {
        match self.named(name)? {
            Named::Group(group) => self.start_all(group.processes.clone(), wait),
            Named::Process(slot) => {
                // Upstream: a missing file wins even over ALREADY_STARTED.
                if let Some(refused) = precheck(&slot.config) {
                    return Err(refused);
                }
                self.ask(Op::Start { targets: one(&slot, name), wait, shape: Shape::Single })
            }
        }
    }

    pub(super) fn start_all(&self, slots: Vec<Arc<ProcSlot>>, wait: bool) -> Result<Value, Fault> {
        let mut targets = many(&slots);
        for (target, slot) in targets.iter_mut().zip(&slots) {
            // Those that run are left out anyway; spare their files.
            if !slot.view().state.is_running() {
                target.precheck = precheck(&slot.config);
            }
        }
        self.ask(Op::Start { targets, wait, shape: Shape::Many })
    }

    pub(super) fn stop(&self, name: &str, wait: bool) -> Result<Value, Fault> {
        match self.named(name)? {
            Named::Group(group) => self.stop_all(group.processes.clone(), wait),
            Named::Process(slot) => {
                self.ask(Op::Stop { targets: one(&slot, name), wait, shape: Shape::Single })
            }
        }
    }

    pub(super) fn stop_all(&self, slots: Vec<Arc<ProcSlot>>, wait: bool) -> Result<Value, Fault> {
        self.ask(Op::Stop { targets: many(&slots), wait, shape: Shape::Many })
    }

    pub(super) fn signal(&self, name: &str, signal: &str) -> Result<Value, Fault> {
        match self.named(name)? {
            Named::Group(group) => self.signal_all(group.processes.clone(), signal),
            Named::Process(slot) => {
                let number =
                    signal_number(signal).ok_or_else(|| fault(BAD_SIGNAL, Some(signal)))?;
                let targets = one(&slot, name);
                self.ask(Op::Signal { targets, signal: number, shape: Shape::Single })
            }
        }
    }

    /// A bad signal is a result of each process that could get one, not a fault of the call.
    pub(super) fn signal_all(
        &self,
        slots: Vec<Arc<ProcSlot>>,
        signal: &str,
    ) -> Result<Value, Fault> {
        match signal_number(signal) {
            Some(number) => {
                let targets = many(&slots);
                self.ask(Op::Signal { targets, signal: number, shape: Shape::Many })
            }
            None => {
                let refused = fault(BAD_SIGNAL, Some(signal));
                let able = slots.iter().filter(|slot| slot.view().state.is_signallable());
                Ok(Value::Array(able.map(|slot| status(slot, &refused)).collect()))
            }
        }
    }

    pub(super) fn send_stdin(&self, args: Args) -> Result<Value, Fault> {
        // Upstream looks at the text first.
        let data = args.bytes(1)?;
        let slot = self.process(args)?;
        self.ask(Op::SendStdin { id: slot.id, name: args.text(0)?.into_owned(), data })
    }

    pub(super) fn reload_config(&self) -> Result<Value, Fault> {
        let _order = self.reread.lock().unwrap_or_else(PoisonError::into_inner);
        let config = (self.load)().map_err(|text| fault(CANT_REREAD, Some(&text)))?;
        // A file that is left out takes its programs with it at the next update.
        for note in config.notes.iter().filter(|note| note.level >= Level::Warn) {
            self.activity.log(note.level, &note.text);
        }
        self.ask(Op::Adopt(Arc::new(config)))
    }

    pub(super) fn add_group(&self, name: &str) -> Result<Value, Fault> {
        let config = self.published.config();
        let Some(group) = config.groups.iter().find(|g| g.name == name) else {
            return Err(fault(BAD_NAME, Some(name)));
        };
        if self.published.structure().group(name).is_some() {
            return Err(fault(ALREADY_ADDED, Some(name)));
        }
        if let GroupKind::FastCgi(socket) = &group.kind {
            fcgi::probe(socket, &self.activity).map_err(|text| fault(FAILED, Some(&text)))?;
        }
        let logs = autolog::create(group, &config.daemon)
            .map_err(|error| fault(FAILED, Some(&error.to_string())))?;
        let added = self.ask(Op::AddGroup { group: Arc::clone(group), logs: logs.clone() });
        if added.is_err() {
            // Somebody else was quicker, and has files of their own.
            autolog::discard(&logs);
        }
        added
    }

    pub(super) fn remove_group(&self, name: &str) -> Result<Value, Fault> {
        if self.published.structure().group(name).is_none() {
            return Err(fault(BAD_NAME, Some(name)));
        }
        self.ask(Op::RemoveGroup(name.to_owned()))
    }

    pub(super) fn clear_log(&self) -> Result<Value, Fault> {
        let config = self.published.config();
        let file: &Path = &config.daemon.logfile;
        match std::fs::metadata(file) {
            Err(_) => Err(fault(NO_FILE, None)),
            // Upstream would remove /dev/stdout from the system here.
            Ok(meta) if !meta.is_file() => Err(fault(FAILED, None)),
            Ok(_) => {
                self.activity.info("reopening log file");
                self.ask(Op::ClearLog)
            }
        }
    }

    pub(super) fn clear_process_logs(&self, args: Args) -> Result<Value, Fault> {
        let slot = self.process(args)?;
        let targets = one(&slot, &args.text(0)?);
        self.ask(Op::ClearProcessLogs { targets, shape: Shape::Single })
    }

    pub(super) fn clear_all_process_logs(&self) -> Result<Value, Fault> {
        let targets = many(&self.everyone());
        self.ask(Op::ClearProcessLogs { targets, shape: Shape::Many })
    }
}

/// Whether a program's file is fit to be started; the fault if not.
fn precheck(program: &Program) -> Option<Fault> {
    let path = program.environment.iter().find(|(name, _)| name == "PATH");
    let error = resolve_command(&program.command, path.map(|(_, v)| v.as_str())).err()?;
    let kind = match error {
        CommandError::NotFound(_) => NO_FILE,
        CommandError::Unparsable { .. }
        | CommandError::Empty
        | CommandError::Directory(_)
        | CommandError::NotExecutable(_)
        | CommandError::NoPermission(_) => NOT_EXECUTABLE,
    };
    Some(fault(kind, Some(&error.to_string())))
}

/// A process under the name that the client used.
fn one(slot: &ProcSlot, name: &str) -> Vec<Target> {
    vec![Target { id: slot.id, name: name.to_owned(), precheck: None }]
}

/// Processes under the names that upstream gives them: NAME where the group is called the same.
fn many(slots: &[Arc<ProcSlot>]) -> Vec<Target> {
    let target = |slot: &Arc<ProcSlot>| {
        let process = &slot.config.name;
        let name = match slot.group == *process {
            true => process.clone(),
            false => format!("{}:{process}", slot.group),
        };
        Target { id: slot.id, name, precheck: None }
    };
    slots.iter().map(target).collect()
}

/// An item of a list of results.
fn status(slot: &ProcSlot, result: &Fault) -> Value {
    Value::Struct(vec![
        ("name".to_owned(), slot.config.name.as_str().into()),
        ("group".to_owned(), slot.group.as_str().into()),
        ("status".to_owned(), result.code.into()),
        ("description".to_owned(), result.text.as_str().into()),
    ])
}

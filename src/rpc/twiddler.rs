//! The calls of the package supervisor_twiddler 1.0.0, natively: programs that come and go at run time.
//!
//! Part of [`Service`]; runs on connection threads. There where `[rpcinterface:x]` names the package's
//! factory, which many configurations do. Faults and order of checks are the package's; unlike it, a
//! group that has been changed so is left alone by `update` unless it changes in the file.

use std::sync::Arc;

use super::args::Args;
use super::dispatch::Service;
use super::faults::{BAD_NAME, FAILED, INCORRECT_PARAMETERS, UNKNOWN_METHOD, fault};
use super::methods::Call;
use super::value::{Fault, Value};
use crate::autolog;
use crate::config::added;
use crate::config::model::Level;
use crate::coordinator::inbox::Op;

/// What `getAPIVersion` of the package says.
const API_VERSION: &str = "1.0";
/// Levels by the numbers of the reference's log module.
const LEVELS: [(i64, Level); 7] = [
    (50, Level::Critical),
    (40, Level::Error),
    (30, Level::Warn),
    (20, Level::Info),
    (10, Level::Debug),
    (5, Level::Trace),
    (3, Level::Blather),
];

impl Service {
    /// Carries one of twiddler's calls out.
    pub(super) fn twiddle(&self, call: Call, args: Args) -> Result<Value, Fault> {
        match call {
            Call::TwiddlerVersion => Ok(API_VERSION.into()),
            Call::TwiddlerGroups => {
                let structure = self.published.structure();
                let names = structure.groups.iter().map(|g| g.config.name.as_str().into());
                Ok(Value::Array(names.collect()))
            }
            Call::TwiddlerLog => {
                let level = level(args.0.get(1))?;
                self.activity.log(level, &args.scalar(0)?);
                Ok(true.into())
            }
            Call::TwiddlerAddProgram => self.add_program(args),
            Call::TwiddlerRemoveProcess => {
                let (group, process) = (args.scalar(0)?, args.scalar(1)?);
                self.ask(Op::RemoveProcess { group, process })
            }
            _ => Err(fault(UNKNOWN_METHOD, None)),
        }
    }

    fn add_program(&self, args: Args) -> Result<Value, Fault> {
        let (group, name) = (args.scalar(0)?, args.scalar(1)?);
        let config = self.published.config();
        let structure = self.published.structure();
        let view = structure
            .group(&group)
            .ok_or_else(|| fault(BAD_NAME, Some(&format!("group: {group}"))))?;
        let options = options(args.0.get(2))?;
        let (programs, notes) = added::programs(&config, &group, &name, &options)
            .map_err(|e| fault(INCORRECT_PARAMETERS, Some(&e.to_string())))?;
        // Looked at again by the coordinator; here it spares the files.
        if let Some(taken) = programs.iter().find(|p| view.process(&p.name).is_some()) {
            return Err(fault(BAD_NAME, Some(&taken.name)));
        }
        for note in notes {
            self.activity.log(note.level, &note.text);
        }
        let programs: Vec<_> = programs.into_iter().map(Arc::new).collect();
        let logs = autolog::create_all(&programs, &config.daemon)
            .map_err(|error| fault(FAILED, Some(&error.to_string())))?;
        let added = self.ask(Op::AddPrograms { group, programs, logs: logs.clone() });
        if added.is_err() {
            autolog::discard(&logs);
        }
        added
    }
}

/// The options of a program: texts, and what reads the same as a text.
fn options(given: Option<&Value>) -> Result<Vec<(String, String)>, Fault> {
    let refused = || fault(INCORRECT_PARAMETERS, None);
    let Some(Value::Struct(members)) = given else { return Err(refused()) };
    let text = |value: &Value| match value {
        Value::Str(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    let option = |(name, value): &(String, Value)| Some((name.clone(), text(value)?));
    members.iter().map(|m| option(m).ok_or_else(refused)).collect()
}

fn level(given: Option<&Value>) -> Result<Level, Fault> {
    let found = match given {
        None => Some(Level::Info),
        Some(Value::Str(name)) => {
            let name = name.to_uppercase();
            LEVELS.into_iter().map(|(_, level)| level).find(|level| level.tag() == name)
        }
        Some(Value::Int(number)) => {
            LEVELS.into_iter().find(|(n, _)| n == number).map(|(_, level)| level)
        }
        Some(_) => None,
    };
    found.ok_or_else(|| fault(INCORRECT_PARAMETERS, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TWIDDLER_INTERFACE;
    use crate::config::model::RpcInterface;
    use crate::rpc::testing::{self, Bench, scratch};

    fn bench(folder: &std::path::Path, whitelist: &str) -> Bench {
        let program = Arc::new(testing::program("p"));
        let mut config = testing::config(vec![testing::group("g", vec![program])]);
        config.daemon.childlogdir = folder.to_owned();
        config.rpc_interfaces.push(RpcInterface {
            name: "twiddler".to_owned(),
            factory: TWIDDLER_INTERFACE.to_owned(),
            options: vec![("whitelist".to_owned(), whitelist.to_owned())],
        });
        Bench::with(config, Box::new(|_| Some(Ok(true.into()))), Err(String::new()))
    }

    fn call(bench: &Bench, method: &str, params: &[Value]) -> Result<Value, String> {
        bench.service.call(&format!("twiddler.{method}"), params).map_err(|f| f.text)
    }

    fn struct_of(members: &[(&str, Value)]) -> Value {
        Value::Struct(members.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect())
    }

    #[test]
    fn lines_are_logged_at_levels_by_name_and_number() {
        let dir = scratch("twiddler-log");
        let bench = bench(&dir, "");
        for (level, logged) in [
            (None, "INFO a"),
            (Some("warn".into()), "WARN a"),
            (Some(50.into()), "CRIT a"),
            (Some(Value::from("BLAT")), ""),
        ] {
            let params: Vec<Value> = [Value::from("a")].into_iter().chain(level).collect();
            assert_eq!(call(&bench, "log", &params), Ok(true.into()));
            let lines = bench.log();
            let own: Vec<&String> = lines.iter().filter(|l| !l.starts_with("TRAC")).collect();
            assert_eq!(own.first().map_or("", |l| l.as_str()), logged);
        }
        for level in
            [Value::from("info2"), Value::from(""), 21.into(), true.into(), "CRITICAL".into()]
        {
            let refused = call(&bench, "log", &["a".into(), level]).unwrap_err();
            assert_eq!(refused, "INCORRECT_PARAMETERS");
        }
    }

    #[test]
    fn programs_are_added_with_their_auto_logs() {
        let dir = scratch("twiddler-add");
        let bench = bench(&dir, "");
        let options = struct_of(&[
            ("command", "/bin/cat".into()),
            ("numprocs", 2.into()),
            ("process_name", "%(program_name)s%(process_num)d".into()),
            ("autostart", false.into()),
        ]);
        let params = ["g".into(), "q".into(), options];
        assert_eq!(call(&bench, "addProgramToGroup", &params), Ok(true.into()));
        assert_eq!(bench.last_asked(), "add q0,q1 2 to g");
        assert_eq!(std::fs::read_dir(&*dir).unwrap().count(), 4);
    }

    #[test]
    fn what_cannot_be_added_is_refused_as_the_package_does() {
        let dir = scratch("twiddler-refused");
        let bench = bench(&dir, "");
        let cat = struct_of(&[("command", "/bin/cat".into())]);
        for (group, name, options, text) in [
            ("h", "q", cat.clone(), "BAD_NAME: group: h"),
            ("g", "p", cat.clone(), "BAD_NAME: p"),
            ("g", "q", "command".into(), "INCORRECT_PARAMETERS"),
            ("g", "q", struct_of(&[("command", Value::Nil)]), "INCORRECT_PARAMETERS"),
            (
                "g",
                "q",
                struct_of(&[]),
                "INCORRECT_PARAMETERS: options:0: [program:q] needs a line command=..., the command \
                 line to run",
            ),
        ] {
            let refused = call(&bench, "addProgramToGroup", &[group.into(), name.into(), options]);
            assert_eq!(refused, Err(text.to_owned()), "{group}:{name}");
        }
        assert_eq!(std::fs::read_dir(&*dir).unwrap().count(), 0);
        assert_eq!(bench.last_asked(), "");
    }

    #[test]
    fn only_the_whitelist_can_be_called_but_all_is_listed() {
        let dir = scratch("twiddler-whitelist");
        let bench = bench(&dir, "getAPIVersion, getGroupNames");
        assert_eq!(call(&bench, "getAPIVersion", &[]), Ok("1.0".into()));
        assert_eq!(call(&bench, "getGroupNames", &[]), Ok(Value::Array(vec!["g".into()])));
        assert_eq!(call(&bench, "log", &["x".into()]), Err("NOT_IN_WHITELIST: log".to_owned()));
        assert_eq!(call(&bench, "log", &[]), Err("INCORRECT_PARAMETERS".to_owned()));
        let listed = bench.service.call("system.listMethods", &[]).unwrap();
        assert!(listed.as_array().unwrap().contains(&"twiddler.log".into()));
        let types = bench.service.call("system.methodSignature", &["twiddler.log".into()]).unwrap();
        let expected = ["boolean", "string", "string|int"].map(Value::from).to_vec();
        assert_eq!(types, Value::Array(expected));
    }

    #[test]
    fn removal_is_the_coordinators_affair() {
        let dir = scratch("twiddler-remove");
        let bench = bench(&dir, "");
        let params = ["g".into(), "p".into()];
        assert_eq!(call(&bench, "removeProcessFromGroup", &params), Ok(true.into()));
        assert_eq!(bench.last_asked(), "remove p from g");
    }
}

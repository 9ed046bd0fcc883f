//! Programs that a client adds while the daemon runs: options as in a `[program:x]`, without a file.
//!
//! Any thread; looks users and folders up.

use super::env::Env;
use super::error::ConfigError;
use super::ini::Ini;
use super::load::environment_names;
use super::model::{Config, Note, Program};
use super::programs::processes;
use super::section::Source;

/// What stands in errors in the place of a file; the line is the option's place in the list.
const ORIGIN: &str = "options";

/// The processes of a program with these options, for a group of that name, by the rules of
/// `[program:x]` in the main file of `config`: the same defaults, names for `%(...)s` and variables of
/// `[supervisord]`. With them what the activity log should hear.
///
/// # Errors
/// What would be wrong in a file.
pub fn programs(
    config: &Config,
    group: &str,
    program: &str,
    options: &[(String, String)],
) -> Result<(Vec<Program>, Vec<Note>), ConfigError> {
    programs_in(&Env::current(), config, group, program, options)
}

fn programs_in(
    env: &Env,
    config: &Config,
    group: &str,
    program: &str,
    options: &[(String, String)],
) -> Result<(Vec<Program>, Vec<Note>), ConfigError> {
    let name = format!("program:{program}");
    let ini = Ini::of_section(&name, options, ORIGIN);
    let shared = &config.daemon.environment;
    let mut base = environment_names(env);
    for (name, value) in shared {
        base.set_env(name, value.clone());
    }
    let here = config.here().to_string_lossy();
    let source = Source { ini: &ini, env, base: &base, here: &here };
    let mut notes = Vec::new();
    let mut found = Vec::new();
    for section in ini.sections() {
        found = processes(&source, section, group, shared, &mut notes)?;
    }
    Ok((found, notes))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Folder;
    use super::*;
    use crate::config::model::Autorestart;

    fn add(program: &str, options: &[(&str, &str)]) -> Result<Vec<Program>, String> {
        let dir = Folder::new();
        let config =
            dir.load_plain("[supervisord]\nchildlogdir=%(here)s\nenvironment=A=\"1\"\n").unwrap();
        let options: Vec<(String, String)> =
            options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        programs_in(&dir.env(), &config, "g", program, &options)
            .map(|(programs, _)| programs)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn options_follow_the_rules_of_the_file() {
        let found = add(
            "p",
            &[
                ("Command", "%(here)s/x %(group_name)s %(ENV_FOO)s %(process_num)d ; # no comment"),
                ("numprocs", "2"),
                ("process_name", "%(program_name)s_%(process_num)d"),
                ("autorestart", "False"),
                ("environment", "B=\"2\""),
            ],
        )
        .unwrap();
        assert_eq!(found.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["p_0", "p_1"]);
        assert!(
            found[1].command.ends_with("/x g foo value 1 ; # no comment"),
            "{}",
            found[1].command
        );
        assert_eq!((found[0].startsecs, found[0].autorestart), (1, Autorestart::Never));
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(found[0].environment, [pair("A", "1"), pair("B", "2")]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_option() {
        assert_eq!(
            add("p", &[]).unwrap_err(),
            "options:0: [program:p] needs a line command=..., the command line to run"
        );
        let wrong = add("p", &[("command", "x"), ("startsecs", "soon")]).unwrap_err();
        assert!(wrong.starts_with("options:2: [program:p] startsecs=soon: "), "{wrong}");
        assert!(add("a b", &[("command", "x")]).is_err());
        assert!(add("p", &[("command", "x"), ("numprocs", "2")]).is_err());
    }

    #[test]
    fn no_option_can_open_a_section_of_its_own() {
        let found = add("p", &[("command", "x\n[program:q]\ncommand=y")]).unwrap();
        assert_eq!(found.len(), 1);
    }
}

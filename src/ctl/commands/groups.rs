//! Commands about the configuration: `reread`, `update`, `add`, `remove`, `avail`.

use super::{Flow, print_help};
use crate::ctl::error::CtlError;
use crate::ctl::names::{is_pattern, matching_groups};
use crate::ctl::render::{self, Changes};
use crate::ctl::session::Ctl;
use crate::rpc::faults;
use crate::rpc::value::Value;

/// `avail`
///
/// # Errors
/// See [`Ctl::call`].
pub fn avail(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if takes_none(ctl, "avail", arg) {
        return Ok(Flow::Stay);
    }
    let infos = match ctl.call_list("getAllConfigInfo", &[]) {
        Err(error) => return shutting_down(ctl, error, "ERROR: supervisor shutting down"),
        Ok(infos) => infos,
    };
    let mut text = String::new();
    for info in &infos {
        text.push_str(&render::config_line(info)?);
        text.push('\n');
    }
    ctl.out.text(&text);
    Ok(Flow::Stay)
}

/// `reread`
///
/// # Errors
/// See [`Ctl::call`].
pub fn reread(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if takes_none(ctl, "reread", arg) {
        return Ok(Flow::Stay);
    }
    match ctl.call("reloadConfig", &[]) {
        Ok(changes) => {
            for line in Changes::read(&changes)?.lines() {
                ctl.out.success(&line);
            }
            Ok(Flow::Stay)
        }
        Err(CtlError::Fault(fault)) if fault.code == faults::CANT_REREAD.0 => {
            ctl.refuse(&format!("ERROR: {}", fault.text));
            Ok(Flow::Stay)
        }
        Err(error) => shutting_down(ctl, error, "ERROR: supervisor shutting down"),
    }
}

/// `update [all | group ...]`
///
/// # Errors
/// See [`Ctl::call`]; a configuration with errors.
pub fn update(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    let changes = match ctl.call("reloadConfig", &[]) {
        Ok(changes) => Changes::read(&changes)?,
        Err(error) => return shutting_down(ctl, error, "ERROR: already shutting down"),
    };
    let only = match arg.split_whitespace().any(|name| name == "all") {
        true => Vec::new(),
        false => wanted_groups(ctl, arg, &changes)?,
    };
    let wanted = |group: &&String| only.is_empty() || only.contains(*group);
    for group in changes.removed.iter().filter(wanted) {
        let results = ctl.call_list("stopProcessGroup", &[name(group)])?;
        ctl.out.success(&format!("{group}: stopped"));
        let failed = i64::from(faults::FAILED.0);
        if results.iter().any(|r| r.get("status").and_then(Value::as_int) == Some(failed)) {
            ctl.refuse(&format!("{group}: has problems; not removing"));
            continue;
        }
        ctl.call("removeProcessGroup", &[name(group)])?;
        ctl.out.success(&format!("{group}: removed process group"));
    }
    for group in changes.changed.iter().filter(wanted) {
        ctl.call("stopProcessGroup", &[name(group)])?;
        ctl.out.success(&format!("{group}: stopped"));
        ctl.call("removeProcessGroup", &[name(group)])?;
        ctl.call("addProcessGroup", &[name(group)])?;
        ctl.out.success(&format!("{group}: updated process group"));
    }
    for group in changes.added.iter().filter(wanted) {
        ctl.call("addProcessGroup", &[name(group)])?;
        ctl.out.success(&format!("{group}: added process group"));
    }
    Ok(Flow::Stay)
}

/// The groups an update is limited to; unknown ones are told.
fn wanted_groups(ctl: &mut Ctl, arg: &str, changes: &Changes) -> Result<Vec<String>, CtlError> {
    if arg.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = active_groups(ctl)?;
    known.extend(changes.added.iter().cloned());
    let mut wanted: Vec<String> = Vec::new();
    for typed in arg.split_whitespace() {
        for group in matching_groups(typed, &known) {
            if !wanted.contains(&group) {
                wanted.push(group);
            }
        }
    }
    for group in &wanted {
        if !known.contains(group) {
            ctl.refuse(&format!("ERROR: no such group: {group}"));
        }
    }
    Ok(wanted)
}

/// `add <group> [...]`
///
/// # Errors
/// See [`Ctl::call`].
pub fn add(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    for group in typed_groups(ctl, arg, configured_groups)? {
        match ctl.call("addProcessGroup", &[name(&group)]) {
            Ok(_) => ctl.out.success(&format!("{group}: added process group")),
            Err(CtlError::Fault(fault)) => match fault.code {
                code if code == faults::SHUTDOWN_STATE.0 => ctl.refuse("ERROR: shutting down"),
                // The reference takes this for success.
                code if code == faults::ALREADY_ADDED.0 => {
                    ctl.out.line("ERROR: process group already active");
                }
                code if code == faults::BAD_NAME.0 => {
                    ctl.refuse(&format!("ERROR: no such process/group: {group}"));
                }
                _ => return Err(CtlError::Fault(fault)),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(Flow::Stay)
}

/// `remove <group> [...]`
///
/// # Errors
/// See [`Ctl::call`].
pub fn remove(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    for group in typed_groups(ctl, arg, active_groups)? {
        match ctl.call("removeProcessGroup", &[name(&group)]) {
            Ok(_) => ctl.out.success(&format!("{group}: removed process group")),
            Err(CtlError::Fault(fault)) => match fault.code {
                code if code == faults::STILL_RUNNING.0 => {
                    ctl.refuse(&format!("ERROR: process/group still running: {group}"));
                }
                code if code == faults::BAD_NAME.0 => {
                    ctl.refuse(&format!("ERROR: no such process/group: {group}"));
                }
                _ => return Err(CtlError::Fault(fault)),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(Flow::Stay)
}

/// Typed group names, with patterns replaced by the groups they match.
fn typed_groups(
    ctl: &mut Ctl,
    arg: &str,
    groups: fn(&mut Ctl) -> Result<Vec<String>, CtlError>,
) -> Result<Vec<String>, CtlError> {
    let typed = arg.split_whitespace();
    if !typed.clone().any(is_pattern) {
        return Ok(typed.map(str::to_owned).collect());
    }
    let known = groups(ctl)?;
    Ok(typed.flat_map(|name| matching_groups(name, &known)).collect())
}

fn active_groups(ctl: &mut Ctl) -> Result<Vec<String>, CtlError> {
    groups_of(&ctl.call_list("getAllProcessInfo", &[])?)
}

fn configured_groups(ctl: &mut Ctl) -> Result<Vec<String>, CtlError> {
    groups_of(&ctl.call_list("getAllConfigInfo", &[])?)
}

fn groups_of(infos: &[Value]) -> Result<Vec<String>, CtlError> {
    let mut groups: Vec<String> = Vec::new();
    for info in infos {
        let group = render::text(info, "group")?;
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
    Ok(groups)
}

fn name(group: &str) -> Value {
    Value::from(group)
}

/// Says the sentence if the daemon is shutting down; anything else goes on as an error.
fn shutting_down(ctl: &mut Ctl, error: CtlError, text: &str) -> Result<Flow, CtlError> {
    if error.fault().is_some_and(|fault| fault.code == faults::SHUTDOWN_STATE.0) {
        ctl.refuse(text);
        return Ok(Flow::Stay);
    }
    Err(error)
}

/// Refuses arguments where a command takes none; true if it did.
pub fn takes_none(ctl: &mut Ctl, command: &str, arg: &str) -> bool {
    if arg.is_empty() {
        return false;
    }
    ctl.refuse(&format!("Error: {command} accepts no arguments"));
    print_help(ctl, command);
    true
}

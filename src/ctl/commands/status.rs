//! Commands that look at processes: `status`, `pid`.

use super::Flow;
use crate::ctl::error::CtlError;
use crate::ctl::names::{Known, expand, is_pattern, split};
use crate::ctl::session::Ctl;
use crate::ctl::{exit, render};
use crate::rpc::value::Value;
use crate::rpc::{faults, status_json};

/// `status [--json] [name ...]`. With `-q` only errors are printed.
///
/// # Errors
/// See [`Ctl::call`].
pub fn status(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    let mut names: Vec<String> = arg.split_whitespace().map(str::to_owned).collect();
    if names.first().is_some_and(|name| name == "--json") {
        names.remove(0);
        ctl.out.document = true;
    }
    if !ctl.upcheck()? {
        ctl.exit = exit::STATUS_UNKNOWN;
        return Ok(Flow::Stay);
    }
    let infos = ctl.call_list("getAllProcessInfo", &[])?;
    let shown = if names.is_empty() || names.iter().any(|name| name == "all") {
        infos.iter().collect()
    } else {
        select(ctl, &infos, &names)?
    };
    if ctl.out.document {
        let document = status_json::document(&shown);
        ctl.out.text(&document.map_err(|e| CtlError::Answer(e.to_string()))?);
    } else if !ctl.out.is_quiet() {
        let table = render::status_table(&shown, ctl.out.colour)?;
        ctl.out.text(&table);
    }
    for info in shown {
        if render::is_stopped(render::number(info, "state")?) {
            ctl.exit = exit::STATUS_STOPPED;
        }
    }
    Ok(Flow::Stay)
}

/// The processes that names mean, in the order of the names; unknown names are told.
fn select<'a>(
    ctl: &mut Ctl,
    infos: &'a [Value],
    names: &[String],
) -> Result<Vec<&'a Value>, CtlError> {
    let mut known = Vec::with_capacity(infos.len());
    for info in infos {
        known.push(Known {
            group: render::text(info, "group")?.to_owned(),
            name: render::text(info, "name")?.to_owned(),
        });
    }
    let expanded;
    let names = if names.iter().any(|name| is_pattern(name)) {
        expanded = expand(names, &known);
        &expanded
    } else {
        names
    };
    let mut shown = Vec::new();
    for name in names {
        let spec = split(name);
        let before = shown.len();
        for (info, known) in infos.iter().zip(&known) {
            let process = spec.process.as_ref().is_none_or(|process| *process == known.name);
            if known.group == spec.group && process {
                shown.push(info);
            }
        }
        if shown.len() == before {
            ctl.out.line(&match spec.process {
                None => render::no_group(&spec.group),
                Some(_) => render::no_process(name),
            });
            ctl.exit = exit::STATUS_UNKNOWN;
        }
    }
    Ok(shown)
}

/// `pid [all | name ...]`
///
/// # Errors
/// See [`Ctl::call`].
pub fn pid(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    if arg.is_empty() {
        let pid = ctl.call("getPID", &[])?;
        let pid = pid.as_int().ok_or_else(|| CtlError::Answer("getPID gave no number".into()))?;
        ctl.out.line(&pid.to_string());
        return Ok(Flow::Stay);
    }
    let names = ctl.names(arg)?;
    if names.iter().any(|name| name == "all") {
        for info in ctl.call_list("getAllProcessInfo", &[])? {
            ctl.out.line(&render::number(&info, "pid")?.to_string());
        }
        return Ok(Flow::Stay);
    }
    for name in &names {
        match ctl.call("getProcessInfo", &[Value::from(name.as_str())]) {
            Ok(info) => {
                let pid = render::number(&info, "pid")?;
                ctl.out.line(&pid.to_string());
                if pid == 0 {
                    ctl.exit = exit::NOT_RUNNING;
                }
            }
            Err(CtlError::Fault(fault)) if fault.code == faults::BAD_NAME.0 => {
                ctl.refuse(&format!("No such process {name}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Flow::Stay)
}

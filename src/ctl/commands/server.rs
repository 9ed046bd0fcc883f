//! Commands about supervisord itself and the shell: `shutdown`, `reload`, `version`, `open`, `quit`.

use super::groups::takes_none;
use super::{Flow, status};
use crate::ctl::error::{CtlError, Down};
use crate::ctl::session::Ctl;
use crate::ctl::target::{Origin, scheme};
use crate::rpc::faults;

/// `shutdown`
///
/// # Errors
/// See [`Ctl::call`].
pub fn shutdown(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if takes_none(ctl, "shutdown", arg)
        || !ctl.confirm("Really shut the remote supervisord process down y/N? ")?
    {
        return Ok(Flow::Stay);
    }
    let error = match ctl.call("shutdown", &[]) {
        Ok(_) => {
            ctl.out.success("Shut down");
            return Ok(Flow::Stay);
        }
        Err(error) => error,
    };
    if error.fault().is_some_and(|fault| fault.code == faults::SHUTDOWN_STATE.0) {
        // Counts as success there.
        ctl.out.line("ERROR: already shutting down");
        return Ok(Flow::Stay);
    }
    let why = match error.down() {
        Some(Down::Refused) => "refused connection",
        Some(Down::Missing) => "no such file",
        None => return Err(error),
    };
    ctl.refuse(&format!("ERROR: {} {why} (already shut down?)", ctl.target.url));
    ctl.out.hint(&error.line());
    Ok(Flow::Stay)
}

/// `reload`
///
/// # Errors
/// See [`Ctl::call`].
pub fn reload(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if takes_none(ctl, "reload", arg)
        || !ctl.confirm("Really restart the remote supervisord process y/N? ")?
    {
        return Ok(Flow::Stay);
    }
    match ctl.call("restart", &[]) {
        Ok(_) => ctl.out.success("Restarted supervisord"),
        Err(CtlError::Fault(fault)) if fault.code == faults::SHUTDOWN_STATE.0 => {
            ctl.refuse("ERROR: already shutting down");
        }
        Err(error) => return Err(error),
    }
    Ok(Flow::Stay)
}

/// `version`
///
/// # Errors
/// See [`Ctl::call`].
pub fn version(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if takes_none(ctl, "version", arg) || !ctl.upcheck()? {
        return Ok(Flow::Stay);
    }
    let version = ctl.call_text("getSupervisorVersion", &[])?;
    ctl.out.line(&version);
    Ok(Flow::Stay)
}

/// `open <url>`: keeps the exit code, even when nobody answers there.
///
/// # Errors
/// See [`Ctl::call`].
pub fn open(ctl: &mut Ctl, arg: &str) -> Result<Flow, CtlError> {
    if !matches!(scheme(arg).as_deref(), Some("unix" | "http")) {
        ctl.refuse("ERROR: url must be http:// or unix://");
        return Ok(Flow::Stay);
    }
    let mut target = ctl.target.clone();
    target.url = arg.to_owned();
    target.origin = Origin::Open;
    ctl.retarget(target);
    let before = ctl.exit;
    let flow = status::status(ctl, "")?;
    ctl.exit = before;
    Ok(flow)
}

/// `quit`, `exit` and the end of input.
///
/// # Errors
/// None.
pub fn quit(ctl: &mut Ctl, _arg: &str) -> Result<Flow, CtlError> {
    ctl.out.line("");
    Ok(Flow::Leave)
}

//! The state of one run of supervisorctl: which daemon, which streams, which exit code so far.
//! Thread: main. Owns all of that. Touches: the daemon, by [`Rpc`].

use super::error::{CtlError, Down};
use super::exit;
use super::input::Input;
use super::names::{self, Known};
use super::output::Output;
use super::render;
use super::target::Target;
use super::transport::Rpc;
use crate::rpc::faults;
use crate::rpc::value::Value;

/// The API version of the reference that this client speaks.
const API_VERSION: &str = "3.0";

/// What commands work on.
pub struct Ctl {
    /// The daemon.
    pub target: Target,
    /// In the shell, or started with `-i`: dangerous commands ask first, credentials are asked for.
    pub interactive: bool,
    /// Exit code so far.
    pub exit: u8,
    /// Streams.
    pub out: Output,
    /// Typed or piped lines.
    pub input: Input,
    rpc: Box<dyn Rpc>,
}

impl Ctl {
    /// A session that has done nothing yet.
    pub fn new(
        target: Target,
        interactive: bool,
        out: Output,
        input: Input,
        rpc: Box<dyn Rpc>,
    ) -> Ctl {
        Ctl { target, interactive, exit: exit::SUCCESS, out, input, rpc }
    }

    /// Calls a method of the `supervisor` namespace.
    ///
    /// # Errors
    /// See [`Rpc::call`].
    pub fn call(&mut self, method: &str, params: &[Value]) -> Result<Value, CtlError> {
        self.rpc.call(&self.target, &format!("supervisor.{method}"), params)
    }

    /// Calls a method whose result is a text.
    ///
    /// # Errors
    /// See [`Rpc::call`]; also another kind of result.
    pub fn call_text(&mut self, method: &str, params: &[Value]) -> Result<String, CtlError> {
        match self.call(method, params)? {
            Value::Str(text) => Ok(text),
            _ => Err(CtlError::Answer(format!("{method} gave no text"))),
        }
    }

    /// Calls a method whose result is an array.
    ///
    /// # Errors
    /// See [`Rpc::call`]; also another kind of result.
    pub fn call_list(&mut self, method: &str, params: &[Value]) -> Result<Vec<Value>, CtlError> {
        match self.call(method, params)? {
            Value::Array(items) => Ok(items),
            _ => Err(CtlError::Answer(format!("{method} gave no array"))),
        }
    }

    /// A command is over: the connection is not kept.
    pub fn rest(&mut self) {
        self.rpc.rest();
    }

    /// Talks to another daemon from now on.
    pub fn retarget(&mut self, target: Target) {
        self.rpc.rest();
        self.target = target;
    }

    /// Fails the run with the general exit code.
    pub fn fail(&mut self) {
        self.exit = exit::GENERIC;
    }

    /// Prints why a command was refused.
    pub fn refuse(&mut self, text: &str) {
        self.out.line(text);
        self.fail();
    }

    /// Whether a fitting daemon answers; if not, that has been said and the exit code is set.
    ///
    /// # Errors
    /// Any failure the reference has no sentence for.
    pub fn upcheck(&mut self) -> Result<bool, CtlError> {
        let error = match self.call_text("getVersion", &[]) {
            Ok(version) if version == API_VERSION => return Ok(true),
            Ok(version) => {
                self.out.line(&render::wrong_api(API_VERSION, &version));
                self.exit = exit::NOT_INSTALLED;
                return Ok(false);
            }
            Err(error) => error,
        };
        if error.fault().is_some_and(|f| f.code == faults::UNKNOWN_METHOD.0) {
            self.out.line(render::NO_NAMESPACE);
            self.exit = exit::UNIMPLEMENTED;
            return Ok(false);
        }
        let (text, code) = match error.down() {
            Some(Down::Refused) => ("refused connection", exit::REFUSED),
            Some(Down::Missing) => ("no such file", exit::NOT_RUNNING),
            None => {
                self.fail();
                return Err(error);
            }
        };
        self.out.line(&format!("{} {text}", self.target.url));
        self.out.hint(&format!("{}; is supervisord running?", error.line()));
        self.exit = code;
        Ok(false)
    }

    /// Asks for a line on stdout, as the reference does also where stdin is no terminal.
    ///
    /// # Errors
    /// The input ended.
    pub fn ask(&mut self, prompt: &str) -> Result<String, CtlError> {
        self.out.text(prompt);
        self.input.line().map_err(CtlError::Terminal)?.ok_or(CtlError::NoInput)
    }

    /// Whether to go on with something drastic: asked for only in the shell or with `-i`.
    ///
    /// # Errors
    /// The input ended.
    pub fn confirm(&mut self, question: &str) -> Result<bool, CtlError> {
        if !self.interactive {
            return Ok(true);
        }
        Ok(self.ask(question)?.to_lowercase().starts_with('y'))
    }

    /// Splits typed names and replaces shell patterns by what they match. The daemon is asked only
    /// where there is a pattern.
    ///
    /// # Errors
    /// The daemon cannot tell its processes.
    pub fn names(&mut self, arg: &str) -> Result<Vec<String>, CtlError> {
        let typed: Vec<String> = arg.split_whitespace().map(str::to_owned).collect();
        let all = typed.iter().any(|name| name == "all");
        if all || !typed.iter().any(|name| names::is_pattern(name)) {
            return Ok(typed);
        }
        let mut known = Vec::new();
        for info in self.call_list("getAllProcessInfo", &[])? {
            known.push(Known {
                group: render::text(&info, "group")?.to_owned(),
                name: render::text(&info, "name")?.to_owned(),
            });
        }
        Ok(names::expand(&typed, &known))
    }
}

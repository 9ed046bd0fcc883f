//! The service as the HTTP server sees it. Runs on connection threads.

use std::path::PathBuf;
use std::sync::Arc;

use super::dispatch::{Named, Service};
use super::value::{Fault, Value};
use crate::config::model::Level;
use crate::coordinator::inbox::Channel;
use crate::coordinator::published::Published;
use crate::events::Subscription;
use crate::events::types::TypeSet;
use crate::http::page::{self, PageRequest, PageResponse};
use crate::http::{Backend, LogLookup, NoEvents, NotXmlRpc};
use crate::monitor::{Endpoint, Report};

/// A shared [`Service`] behind [`Backend`].
#[derive(Clone)]
pub struct RpcBackend(pub Arc<Service>);

impl Backend for RpcBackend {
    fn xmlrpc(&self, body: &[u8]) -> Result<Vec<u8>, NotXmlRpc> {
        self.0.xmlrpc(body)
    }
    fn main_log(&self) -> Option<PathBuf> {
        Some(self.0.published.config().daemon.logfile.clone())
    }
    fn process_log(&self, namespec: &str, channel: Channel) -> LogLookup {
        match self.0.named(namespec) {
            Ok(Named::Process(slot)) => slot
                .logfile(channel)
                .map_or(LogLookup::NoLog, |file| LogLookup::File(file.to_owned())),
            Ok(Named::Group(_)) | Err(_) => LogLookup::NoProcess,
        }
    }
    fn log(&self, level: Level, text: &str) {
        self.0.activity.log(level, text);
    }
    fn logs(&self, level: Level) -> bool {
        self.0.activity.enabled(level)
    }
    fn events(&self, types: TypeSet) -> Result<Subscription, NoEvents> {
        self.0.subscribe(types)
    }
    fn monitor(&self, endpoint: Endpoint, query: &str, accept: Option<&str>) -> Option<Report> {
        Some(self.0.report(endpoint, query, accept))
    }
    fn page(&self, request: &PageRequest<'_>) -> Option<PageResponse> {
        page::respond(request, self.0.as_ref())
    }
}

impl page::Control for Service {
    fn call(&self, method: &str, params: &[Value]) -> Result<Value, Fault> {
        Service::call(self, method, params)
    }
    fn published(&self) -> &Published {
        &self.published
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::LogTarget;
    use crate::rpc::testing::{self, Bench};

    #[test]
    fn logs_are_found_by_process_name() {
        let mut program = testing::program("p");
        program.stdout.target = LogTarget::File("/p.log".into());
        let bench = Bench::new(vec![testing::group("g", vec![Arc::new(program)])]);
        let backend = RpcBackend(Arc::clone(&bench.service));
        let look = |name, channel| backend.process_log(name, channel);
        assert_eq!(look("g:p", Channel::Stdout), LogLookup::File("/p.log".into()));
        assert_eq!(look("g:p", Channel::Stderr), LogLookup::NoLog);
        for name in ["p", "g", "g:*", "g:", "g:x", ""] {
            assert_eq!(look(name, Channel::Stdout), LogLookup::NoProcess, "{name}");
        }
        assert_eq!(backend.main_log(), Some(bench.published.config().daemon.logfile.clone()));
    }
}

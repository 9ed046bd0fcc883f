//! Status for machines, from what the service knows. Part of [`Service`]; runs on connection threads.

use super::dispatch::Service;
use super::info::Now;
use crate::http::page;
use crate::monitor::exposition::Format;
use crate::monitor::metrics::{self, Sources};
use crate::monitor::usage::Own;
use crate::monitor::{self, Endpoint, Report};

impl Service {
    /// The answer of an endpoint. `since=` in the query of `/usage.json` asks for all samples after
    /// that time, `process=` in that of `/status.json`, any number of times, for these only.
    pub(super) fn report(&self, endpoint: Endpoint, query: &str, accept: Option<&str>) -> Report {
        let values = |wanted: &'static str| {
            page::fields(query).filter(move |(name, _)| name == wanted).map(|(_, value)| value)
        };
        match endpoint {
            Endpoint::Metrics => self.metrics(Format::of(accept)),
            Endpoint::Status => {
                let names: Vec<String> = values("process").collect();
                monitor::status(&self.published, &names)
            }
            Endpoint::Usage => {
                let since = values("since").next().and_then(|text| text.parse().ok());
                let structure = self.published.structure();
                Report::json(self.monitor.sampler.document(&structure, since))
            }
            Endpoint::Health => monitor::health(self.pulse().is_some()),
            Endpoint::Ready => monitor::ready(&self.published),
        }
    }

    fn metrics(&self, format: Format) -> Report {
        let pulse = self.pulse();
        let sources = Sources {
            published: &self.published,
            pump: &self.activity.pump_stats(),
            rpc: &self.monitor.rpc,
            pulse: pulse.as_ref(),
            own: Own::now(),
        };
        let body = metrics::document(&sources, format, Now::get());
        Report { status: 200, content_type: format.content_type(), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::testing::Bench;

    #[test]
    fn every_endpoint_answers() {
        let bench = Bench::new(Vec::new());
        for endpoint in Endpoint::paths().filter_map(Endpoint::of) {
            let report = bench.service.report(endpoint, "", None);
            assert_eq!(report.status, 200, "{endpoint:?}");
            assert!(report.body.ends_with('\n'), "{endpoint:?}");
        }
    }

    #[test]
    fn calls_are_counted() {
        let bench = Bench::new(Vec::new());
        let call = "<methodCall><methodName>supervisor.getState</methodName></methodCall>";
        bench.service.xmlrpc(call.as_bytes()).unwrap();
        let text = bench.service.report(Endpoint::Metrics, "", None).body;
        assert!(text.contains("supervisord_rpc_duration_seconds_count 1\n"), "{text}");
    }
}

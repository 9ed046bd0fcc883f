//! Requests as the pages' rules of safety see them, with what this server allows.

use super::auth::Credentials;
use super::page::{self, PageRequest, PageResponse, Purpose, Via};
use super::request::{Peer, Request};
use super::response::Response;
use crate::config::model::{Address, Server, WebAccess};

/// What a server allows browsers.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    bound: String,
    has_password: bool,
    web: WebAccess,
}

impl Guard {
    /// For a server.
    pub fn of(server: &Server) -> Guard {
        let bound = match &server.address {
            Address::Inet { host, .. } => host.clone(),
            Address::Unix { .. } => String::new(),
        };
        let has_password = Credentials::of(server).is_some();
        Guard { bound, has_password, web: server.web.clone() }
    }

    /// The request as the pages take it.
    pub fn seen<'a>(&'a self, request: &'a Request) -> PageRequest<'a> {
        let via = match request.peer {
            Peer::Unix => Via::Unix,
            Peer::Inet(_) => Via::Tcp {
                bound: &self.bound,
                has_password: self.has_password,
                get_actions: self.web.get_actions,
                allowed_hosts: &self.web.allowed_hosts,
            },
        };
        PageRequest {
            method: &request.method,
            path: &request.path,
            query: &request.query,
            body: &request.body,
            host: request.header("host"),
            origin: request.header("origin"),
            referer: request.header("referer"),
            via,
        }
    }

    /// Whether `open_paths=` lets everyone see what is asked for: no password, any name. Only what
    /// tells something can be listed there, and only for reading.
    pub fn opens(&self, request: &Request) -> bool {
        matches!(request.method.as_str(), "GET" | "HEAD")
            && self.web.open_paths.contains(&request.path)
    }

    /// The answer to a request that may not go on; its body need not have been read.
    pub fn refusal(&self, request: &Request) -> Option<Response> {
        page::refusal(&self.seen(request), Purpose::of(&request.path)).map(Response::from)
    }
}

impl From<PageResponse> for Response {
    fn from(page: PageResponse) -> Response {
        let mut response = Response { status: page.status, headers: Vec::new(), body: page.body }
            .with("Content-Type", page.content_type);
        for (name, value) in page.headers {
            response = response.with(name, value);
        }
        response
    }
}

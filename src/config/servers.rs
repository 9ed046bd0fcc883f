//! `[unix_http_server]`, `[inet_http_server]` and `[rpcinterface:x]`.
//!
//! Any thread; looks users and groups up.

use super::error::{ConfigError, Problem};
use super::ini::Section;
use super::keys::{Opt, inet_http_server, rpcinterface, unix_http_server};
use super::model::{Address, RpcInterface, Server, WebAccess};
use super::paths;
use super::pytext::strip;
use super::section::{Fields, Source};
use super::values::{self, entry_point};
use crate::monitor::Endpoint;
use crate::password::Stored;

/// The standard RPC interface.
pub const MAIN_INTERFACE: &str = "supervisor.rpcinterface:make_main_rpcinterface";
/// The interface of the package supervisor_twiddler.
pub const TWIDDLER_INTERFACE: &str = "supervisor_twiddler.rpcinterface:make_twiddler_rpcinterface";
/// The class behind [`MAIN_INTERFACE`], which works there in its place.
const MAIN_CLASS: &str = "supervisor.rpcinterface:SupervisorNamespaceRPCInterface";

/// All control servers in the order in which they are opened: TCP first. What stands behind the
/// names of the two kinds, such as `:internal`, tells sections apart and means nothing else.
pub fn servers(source: &Source<'_>) -> Result<Vec<Server>, ConfigError> {
    let mut found = Vec::new();
    for section in source.prefixed("inet_http_server") {
        let fields = source.bare(section);
        let (username, password) =
            credentials(&fields, &inet_http_server::USERNAME, &inet_http_server::PASSWORD)?;
        let (host, port) = fields.need(&inet_http_server::PORT, values::inet_address)?;
        let address = Address::Inet { host, port };
        let web = WebAccess {
            get_actions: fields.need(&inet_http_server::GET_ACTIONS, values::boolean)?,
            allowed_hosts: fields
                .need(&inet_http_server::ALLOWED_HOSTS, |t| Ok(values::list(t)))?,
            open_paths: open_paths(&fields, &inet_http_server::OPEN_PATHS)?,
        };
        found.push(Server { section: section.name.clone(), address, username, password, web });
    }
    for section in source.prefixed("unix_http_server") {
        let fields = source.bare(section);
        let (username, password) =
            credentials(&fields, &unix_http_server::USERNAME, &unix_http_server::PASSWORD)?;
        let address = unix(source, section, &fields)?;
        let web = WebAccess {
            open_paths: open_paths(&fields, &unix_http_server::OPEN_PATHS)?,
            ..WebAccess::default()
        };
        found.push(Server { section: section.name.clone(), address, username, password, web });
    }
    Ok(found)
}

fn unix(
    source: &Source<'_>,
    section: &Section,
    fields: &Fields<'_>,
) -> Result<Address, ConfigError> {
    let file = source.with_here(section).need(&unix_http_server::FILE, |t| {
        // Only this option may use %(here)s.
        Ok(paths::normalize(strip(t), source.env))
    })?;
    Ok(Address::Unix {
        path: file.into(),
        mode: fields.need(&unix_http_server::CHMOD, values::octal)?,
        owner: fields.maybe(&unix_http_server::CHOWN, values::owner)?,
    })
}

/// `open_paths=`: only what can be asked for by machines.
fn open_paths(fields: &Fields<'_>, opt: &Opt) -> Result<Vec<String>, ConfigError> {
    let paths = fields.need(opt, |t| Ok(values::list(t)))?;
    match paths.iter().find(|path| Endpoint::of(path).is_none()) {
        None => Ok(paths),
        Some(path) => {
            let known: Vec<&str> = Endpoint::paths().collect();
            let why = format!("{path:?} cannot be opened, only {}", known.join(", "));
            Err(fields.fault(opt, Problem::Text(why)))
        }
    }
}

/// User name and password: both or none. An empty user name asks for nothing, as there.
fn credentials(
    fields: &Fields<'_>,
    username: &Opt,
    password: &Opt,
) -> Result<(Option<String>, Option<String>), ConfigError> {
    match (fields.text(username)?, fields.text(password)?) {
        (None, None) => Ok((None, None)),
        (Some(name), Some(_)) if name.is_empty() => Ok((None, None)),
        (Some(name), Some(word)) => match Stored::read(Some(&word)) {
            Ok(_) => Ok((Some(name), Some(word))),
            Err(e) => Err(fields.fault(password, Problem::Text(e.to_string()))),
        },
        (Some(_), None) => Err(fields.wrong("username= needs a password= as well")),
        (None, Some(_)) => Err(fields.wrong("password= needs a username= as well")),
    }
}

/// The URL that programs are given to reach supervisord: the first Unix socket, else the first TCP
/// port.
pub fn default_serverurl(servers: &[Server]) -> Option<String> {
    let unix = servers.iter().find_map(|s| match &s.address {
        Address::Unix { path, .. } => Some(format!("unix://{}", path.display())),
        Address::Inet { .. } => None,
    });
    let inet = || {
        servers.iter().find_map(|s| match &s.address {
            Address::Inet { host, port } => {
                let host = if host.is_empty() { "localhost" } else { host };
                Some(format!("http://{host}:{port}"))
            }
            Address::Unix { .. } => None,
        })
    };
    unix.or_else(inet)
}

/// All RPC interfaces. Their factories are Python functions; only those built in here are known,
/// and others are refused as the reference refuses what it cannot import.
pub fn rpc_interfaces(source: &Source<'_>) -> Result<Vec<RpcInterface>, ConfigError> {
    source
        .prefixed("rpcinterface:")
        .map(|section| {
            let fields = source.bare(section);
            let opt = &rpcinterface::FACTORY;
            let written = fields.text(opt)?.ok_or_else(|| fields.missing(opt))?;
            let factory = match entry_point(&written).as_deref() {
                Some(MAIN_INTERFACE | MAIN_CLASS) => MAIN_INTERFACE,
                Some(TWIDDLER_INTERFACE) => TWIDDLER_INTERFACE,
                _ => {
                    let why = format!(
                        "Python plug-ins cannot be loaded; built in are {MAIN_INTERFACE} and \
                         {TWIDDLER_INTERFACE}"
                    );
                    return Err(fields.fault(opt, Problem::Text(why)));
                }
            };
            Ok(RpcInterface {
                name: after_colon(&section.name).to_owned(),
                factory: factory.to_owned(),
                options: extras(&fields, opt)?,
            })
        })
        .collect()
}

/// All options of a plug-in's section but its factory, expanded.
pub fn extras(fields: &Fields<'_>, factory: &Opt) -> Result<Vec<(String, String)>, ConfigError> {
    let entries = fields.source.ini.entries(fields.section);
    entries
        .filter(|e| e.key != factory.key)
        .map(|e| {
            let opt = Opt { key: factory.key, default: None, about: "" };
            let value = fields.expand(&opt, &e.value).map_err(|error| match error {
                ConfigError::Value { problem, .. } => fields.fault_at(&e.key, Some(e), problem),
                other => other,
            })?;
            Ok((e.key.clone(), value))
        })
        .collect()
}

/// What a section's name says after its first colon.
pub fn after_colon(name: &str) -> &str {
    name.split_once(':').map_or("", |(_, rest)| rest)
}

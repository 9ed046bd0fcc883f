//! Process groups: `[group:x]`, and what lone programs, FastCGI programs and listeners become.
//!
//! Any thread; looks users and folders up.

use std::collections::HashSet;
use std::sync::Arc;

use super::error::{ConfigError, Problem};
use super::ini::Section;
use super::keys::{eventlistener, fcgi, group, program};
use super::model::{
    DEFAULT_RESULT_HANDLER, FcgiAddress, FcgiSocket, Group, GroupKind, ListenerPool, Note, Program,
};
use super::paths;
use super::programs::processes;
use super::section::{Fields, Source};
use super::servers::after_colon;
use super::values::{self, ValueError};
use crate::events::EventType;

/// What is being built.
struct Builder<'a, 'n> {
    source: &'a Source<'a>,
    shared: &'a [(String, String)],
    notes: &'n mut Vec<Note>,
    groups: Vec<Group>,
}

/// All groups, sorted by priority, then name. A name may come up more than once (a `[group:x]`
/// without the `[program:x]` beside it); only the first of them is ever used.
pub fn groups(
    source: &Source<'_>,
    shared: &[(String, String)],
    notes: &mut Vec<Note>,
) -> Result<Vec<Group>, ConfigError> {
    let mut builder = Builder { source, shared, notes, groups: Vec::new() };
    let mut taken = HashSet::new();
    for section in source.prefixed("group:") {
        builder.group(section, &mut taken)?;
    }
    let free = |s: &&Section| !taken.contains(s.name.as_str());
    for section in source.prefixed("program:").filter(free) {
        builder.program(section)?;
    }
    for section in source.prefixed("eventlistener:") {
        builder.listeners(section)?;
    }
    for section in source.prefixed("fcgi-program:").filter(free) {
        builder.fastcgi(section)?;
    }
    let mut groups = builder.groups;
    groups.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    Ok(groups)
}

impl<'a> Builder<'a, '_> {
    fn processes(&mut self, section: &Section, group: &str) -> Result<Vec<Program>, ConfigError> {
        processes(self.source, section, group, self.shared, self.notes)
    }

    fn push(&mut self, name: String, priority: i64, kind: GroupKind, programs: Vec<Program>) {
        // A plain collect would keep the memory of `programs`, which is far larger.
        let mut shared = Vec::with_capacity(programs.len());
        shared.extend(programs.into_iter().map(Arc::new));
        self.groups.push(Group { name, priority, kind, programs: shared });
    }

    fn group(
        &mut self,
        section: &'a Section,
        taken: &mut HashSet<&'a str>,
    ) -> Result<(), ConfigError> {
        let fields = self.source.with_here(section);
        let name = own_name(&fields)?;
        let members = values::list(&fields.text(&group::PROGRAMS)?.unwrap_or_default());
        let priority = fields.need(&group::PRIORITY, values::whole)?;
        let mut programs = Vec::new();
        for member in members {
            let find = |kind: &str| self.source.ini.section(&format!("{kind}:{member}"));
            let found = match (find("program"), find("fcgi-program")) {
                (Some(found), None) | (None, Some(found)) => found,
                (None, None) => {
                    let why = format!("there is no program or fcgi-program {member:?}");
                    return Err(fields.fault(&group::PROGRAMS, Problem::Text(why)));
                }
                (Some(_), Some(_)) => {
                    let why = format!("{member:?} is the name of a program and a fcgi-program");
                    return Err(fields.fault(&group::PROGRAMS, Problem::Text(why)));
                }
            };
            taken.insert(&found.name);
            programs.extend(self.processes(found, &name)?);
        }
        self.push(name, priority, GroupKind::Programs, programs);
        Ok(())
    }

    fn program(&mut self, section: &Section) -> Result<(), ConfigError> {
        let fields = self.source.with_here(section);
        let name = own_name(&fields)?;
        let priority = fields.need(&program::PRIORITY, values::whole)?;
        let programs = self.processes(section, &name)?;
        self.push(name, priority, GroupKind::Programs, programs);
        Ok(())
    }

    fn listeners(&mut self, section: &Section) -> Result<(), ConfigError> {
        let fields = self.source.with_here(section);
        // Taken as it stands: the reference checks the name only where the processes need it.
        let name = after_colon(&section.name).to_owned();
        let priority = fields.need(&eventlistener::PRIORITY, values::whole)?;
        let buffer_size = fields.need(&eventlistener::BUFFER_SIZE, |text| {
            let n = values::whole(text)?;
            if n < 1 {
                return Err(ValueError::BufferSize);
            }
            Ok(usize::try_from(n).unwrap_or(usize::MAX))
        })?;
        let handler = fields.text(&eventlistener::RESULT_HANDLER)?.unwrap_or_default();
        if values::entry_point(&handler).as_deref() != Some(DEFAULT_RESULT_HANDLER) {
            let why =
                format!("Python plug-ins cannot be loaded; built in is {DEFAULT_RESULT_HANDLER}");
            return Err(fields.fault(&eventlistener::RESULT_HANDLER, Problem::Text(why)));
        }
        let events = events(&fields)?;
        if fields.need(&program::REDIRECT_STDERR, values::boolean)? {
            let why = "a listener answers on stdout, stderr must not come between";
            return Err(fields.fault(&program::REDIRECT_STDERR, Problem::Text(why.to_owned())));
        }
        let programs = self.processes(section, &name)?;
        let result_handler = DEFAULT_RESULT_HANDLER.to_owned();
        let len_in_bytes = fields.need(&eventlistener::LEN_IN_BYTES, values::boolean)?;
        let pool = ListenerPool { buffer_size, events, result_handler, len_in_bytes };
        self.push(name, priority, GroupKind::Listeners(pool), programs);
        Ok(())
    }

    fn fastcgi(&mut self, section: &Section) -> Result<(), ConfigError> {
        let mut fields = self.source.with_here(section);
        let name = own_name(&fields)?;
        let priority = fields.need(&program::PRIORITY, values::whole)?;
        let socket = socket(&mut fields, &name)?;
        let programs = self.processes(section, &name)?;
        self.push(name, priority, GroupKind::FastCgi(socket), programs);
        Ok(())
    }
}

fn own_name(fields: &Fields<'_>) -> Result<String, ConfigError> {
    values::name(after_colon(&fields.section.name)).map_err(|e| fields.wrong(e.to_string()))
}

/// `events=`: each type once, in the order written.
fn events(fields: &Fields<'_>) -> Result<Vec<String>, ConfigError> {
    let opt = &eventlistener::EVENTS;
    let mut found: Vec<String> = Vec::new();
    for name in values::list(&fields.text(opt)?.unwrap_or_default()) {
        let name = name.to_uppercase();
        if EventType::from_name(&name).is_none() {
            let why = EventType::unknown(&name);
            return Err(fields.fault(opt, Problem::Text(why)));
        }
        if !found.contains(&name) {
            found.push(name);
        }
    }
    if found.is_empty() { Err(fields.missing(opt)) } else { Ok(found) }
}

/// The socket of a FastCGI group.
fn socket(fields: &mut Fields<'_>, name: &str) -> Result<FcgiSocket, ConfigError> {
    let user = fields.maybe(&program::USER, values::user)?;
    let backlog = fields.maybe(&fcgi::SOCKET_BACKLOG, |text| match values::whole(text)? {
        n @ 1..=65535 => i32::try_from(n).map_err(|_| ValueError::Backlog),
        _ => Err(ValueError::Backlog),
    })?;
    let owner = fields.maybe(&fcgi::SOCKET_OWNER, values::owner)?;
    let mode = fields.maybe(&fcgi::SOCKET_MODE, values::octal)?;
    fields.names.set("program_name", name);
    let url = fields.text(&fcgi::SOCKET)?.filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| fields.missing(&fcgi::SOCKET))?;
    let fault = |why: &str| fields.fault(&fcgi::SOCKET, Problem::Text(why.to_owned()));
    if let Some(path) = url.strip_prefix("unix://") {
        if !path.starts_with('/') {
            return Err(fault("the file of a Unix socket must begin with /"));
        }
        let path = paths::normalize(path, fields.source.env);
        // A program that runs as another user must be able to use its socket.
        let other = user.filter(|u| u.uid != fields.source.env.uid).map(|u| (u.uid, u.gid));
        let address = FcgiAddress::Unix {
            path: path.clone().into(),
            mode: mode.unwrap_or(0o700),
            owner: owner.or(other),
        };
        return Ok(FcgiSocket { url: format!("unix://{path}"), address, backlog });
    }
    if owner.is_some() || mode.is_some() {
        return Err(fault("socket_owner= and socket_mode= are for Unix sockets only"));
    }
    match values::tcp_url(&url) {
        Some((host, port)) => Ok(FcgiSocket {
            url: format!("tcp://{host}:{port}"),
            address: FcgiAddress::Inet { host, port },
            backlog,
        }),
        None => Err(fault("neither tcp://host:port nor unix:///file")),
    }
}

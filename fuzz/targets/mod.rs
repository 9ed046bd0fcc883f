//! What the fuzz targets do: one function per reader of outside text, bytes in, a panic where a
//! promise is broken.
//!
//! Included by the fuzzers in `fuzz_targets/` and by `tests/fuzz_corpus.rs`, which runs the corpora
//! with every `cargo test`. Inputs are plain text or bytes without a header of their own, so that a
//! file of a corpus can be read and written by hand.

mod config;
mod ctl;
mod http;
mod output;
mod rpc;

/// A target: the name of its fuzzer and of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const ALL: &[Target] = &[
    ("xmlrpc_call", rpc::xmlrpc_call),
    ("xmlrpc_response", rpc::xmlrpc_response),
    ("rpc_service", rpc::rpc_service),
    ("http_head", http::http_head),
    ("http_connection", http::http_connection),
    ("http_answer", http::http_answer),
    ("web_page", http::web_page),
    ("url_form", http::url_form),
    ("basic_auth", http::basic_auth),
    ("ini", config::ini),
    ("expand", config::expand),
    ("shlex", config::shlex),
    ("environment_list", config::environment_list),
    ("config_values", config::config_values),
    ("config_file", config::config_file),
    ("strip_ansi", output::strip_ansi),
    ("capture_tokens", output::capture_tokens),
    ("listener_protocol", output::listener_protocol),
    ("ctl_line", ctl::ctl_line),
    ("ctl_answer", ctl::ctl_answer),
    ("server_url", ctl::server_url),
];

/// Runs the target of that name.
pub fn run(name: &str, data: &[u8]) {
    match ALL.iter().find(|(n, _)| *n == name) {
        Some((_, target)) => target(data),
        None => panic!("there is no target {name}"),
    }
}

/// Ways to cut the data into pieces: a byte each, two halves, and pieces of one to sixteen bytes whose
/// lengths depend on the data alone, so that an input always means the same.
pub fn cuts(data: &[u8]) -> [Vec<&[u8]>; 3] {
    let (first, second) = data.split_at(data.len() / 2);
    let mut odd = Vec::new();
    let mut seed = data.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut rest = data;
    while !rest.is_empty() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let length = usize::from((seed >> 40) as u8 % 16) + 1;
        let (piece, after) = rest.split_at(length.min(rest.len()));
        odd.push(piece);
        rest = after;
    }
    [data.chunks(1).collect(), vec![first, second], odd]
}

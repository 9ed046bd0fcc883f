//! supervisorctl talks to any server that speaks the protocol, not only to ours: here to one made with
//! another HTTP library.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};
use std::thread;

use tiny_http::{Header, Response, Server};

/// Serves `answers` one after the other, gives what was asked, and what supervisorctl printed.
fn talk(args: &[&str], answers: &[(u16, &str)]) -> (Vec<String>, Output) {
    let server = Server::http("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.server_addr().to_ip().unwrap());
    let answers: Vec<(u16, String)> = answers.iter().map(|(n, b)| (*n, (*b).into())).collect();
    let serving = thread::spawn(move || {
        answers
            .into_iter()
            .map(|(status, body)| {
                let mut request = server.recv().unwrap();
                let mut asked = String::new();
                request.as_reader().read_to_string(&mut asked).unwrap();
                let kind = Header::from_bytes("Content-Type", "text/xml").unwrap();
                let response =
                    Response::from_string(body).with_status_code(status).with_header(kind);
                request.respond(response).unwrap();
                asked
            })
            .collect()
    });
    let output = Command::new(env!("CARGO_BIN_EXE_supervisorctl"))
        .args(["-s", &url])
        .args(args)
        .output()
        .unwrap();
    (serving.join().unwrap(), output)
}

fn string(text: &str) -> String {
    format!(
        "<?xml version='1.0'?><methodResponse><params><param><value><string>{text}</string>\
         </value></param></params></methodResponse>"
    )
}

#[test]
fn version_comes_from_whatever_server_there_is() {
    let answers = [(200, string("3.0")), (200, string("9.8.7"))];
    let answers: Vec<(u16, &str)> = answers.iter().map(|(n, b)| (*n, b.as_str())).collect();
    let (asked, output) = talk(&["version"], &answers);
    assert!(asked[0].contains("<methodName>supervisor.getVersion</methodName>"), "{}", asked[0]);
    assert!(asked[1].contains("<methodName>supervisor.getSupervisorVersion</methodName>"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "9.8.7\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_server_that_wants_a_password_is_named_as_such() {
    let (_, output) = talk(&["version"], &[(401, "")]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("Server requires authentication"), "{text}");
    assert_ne!(output.status.code(), Some(0));
}

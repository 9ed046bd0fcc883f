//! Tests of [`super`], against a coordinator that only answers. The expected texts are those that
//! Supervisor 4.3.0 gave to the same calls.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::model::{Group, LogTarget};
use crate::coordinator::published::ProcView;
use crate::machine::State;
use crate::rpc::testing::{self, Bench};

/// Groups `g` (with members `one` and `two`) and `solo`.
fn groups() -> Vec<Group> {
    let program = |name| Arc::new(testing::program(name));
    vec![
        testing::group("g", vec![program("one"), program("two")]),
        testing::group("solo", vec![program("solo")]),
    ]
}

fn set(bench: &Bench, group: &str, process: &str, state: State) {
    let slot = bench.published.structure().group(group).unwrap().process(process).unwrap().clone();
    slot.publish(ProcView { state, ..ProcView::new() });
}

fn texts(values: &[&str]) -> Vec<Value> {
    values.iter().map(|v| Value::from(*v)).collect()
}

#[test]
fn the_method_then_the_count_then_the_shutdown_are_checked() {
    let bench = Bench::new(groups());
    bench.published.set_mood(Mood::Shutdown);
    assert_eq!(bench.fault("nope", &[]), "UNKNOWN_METHOD");
    assert_eq!(bench.fault("startProcess", &[]), "INCORRECT_PARAMETERS");
    assert_eq!(bench.fault("getState", &[Value::Nil]), "INCORRECT_PARAMETERS");
    assert_eq!(bench.fault("startProcess", &texts(&["nope"])), "SHUTDOWN_STATE");
    assert_eq!(bench.fault("startProcess", &[Value::Nil]), "SHUTDOWN_STATE");
    bench.published.set_mood(Mood::Restarting);
    assert_eq!(bench.fault("getState", &[]), "SHUTDOWN_STATE");
    assert_eq!(bench.asked.lock().unwrap().len(), 0);
}

#[test]
fn during_shutdown_only_remote_events_and_system_methods_work() {
    let bench = Bench::new(groups());
    bench.published.set_mood(Mood::Shutdown);
    for method in super::super::methods::SUPERVISOR {
        let count = method.params.iter().filter(|p| !p.optional).count();
        let params = vec![Value::from("solo"); count];
        let result = bench.call(method.name, &params);
        match method.name {
            "sendRemoteCommEvent" => assert_eq!(result, Ok(true.into())),
            _ => assert_eq!(result, Err(fault(SHUTDOWN_STATE, None)), "{}", method.name),
        }
    }
    assert!(bench.service.call("system.listMethods", &[]).is_ok());
}

#[test]
fn versions_and_identity_are_told() {
    let bench = Bench::new(vec![]);
    for (method, value) in [
        ("getAPIVersion", "3.0"),
        ("getVersion", "3.0"),
        ("getSupervisorVersion", env!("CARGO_PKG_VERSION")),
        ("getIdentification", "supervisor"),
    ] {
        assert_eq!(bench.call(method, &[]), Ok(value.into()));
    }
    let state = bench.call("getState", &[]).unwrap();
    assert_eq!(state.get("statecode"), Some(&Value::Int(1)));
    assert_eq!(state.get("statename"), Some(&"RUNNING".into()));
    assert_eq!(bench.call("getPID", &[]), Ok(i64::from(std::process::id()).into()));
}

#[test]
fn introspection_answers_from_the_table() {
    let bench = Bench::new(vec![]);
    let system = |method: &str, params: &[Value]| {
        bench.service.call(&format!("system.{method}"), params).map_err(|f| f.text)
    };
    assert_eq!(system("listMethods", &[]).unwrap().as_array().unwrap().len(), 41);
    assert_eq!(
        system("methodSignature", &texts(&["supervisor.startProcess"])),
        Ok(Value::Array(texts(&["boolean", "string", "boolean"])))
    );
    let help = system("methodHelp", &texts(&["supervisor.startProcess"])).unwrap();
    assert!(help.as_str().unwrap().contains("@param boolean wait"));
    for params in [texts(&["nope"]), vec![Value::Int(1)], vec![Value::Nil]] {
        assert_eq!(system("methodHelp", &params), Err("SIGNATURE_UNSUPPORTED".to_owned()));
        assert_eq!(system("methodSignature", &params), Err("SIGNATURE_UNSUPPORTED".to_owned()));
    }
}

#[test]
fn unknown_names_are_given_back_as_they_were_written() {
    let bench = Bench::new(groups());
    for method in ["startProcess", "stopProcess", "getProcessInfo", "clearProcessLogs"] {
        for name in ["nope", "nope:x", "g:nope", "one", "", "g", "nope:*", ":", "g:one:x"] {
            let text = bench.fault(method, &texts(&[name]));
            assert_eq!(text, format!("BAD_NAME: {name}"), "{method}");
        }
    }
    for method in ["getProcessInfo", "clearProcessLogs", "clearProcessLog"] {
        for name in ["g:*", "g:"] {
            assert_eq!(bench.fault(method, &texts(&[name])), format!("BAD_NAME: {name}"));
        }
    }
    for method in ["startProcessGroup", "stopProcessGroup", "addProcessGroup", "removeProcessGroup"]
    {
        assert_eq!(bench.fault(method, &texts(&["one"])), "BAD_NAME: one");
        assert_eq!(bench.fault(method, &[Value::Int(1)]), "BAD_NAME: 1");
    }
    assert_eq!(bench.asked.lock().unwrap().len(), 0);
}

#[test]
fn wrong_types_are_a_fault() {
    let bench = Bench::new(groups());
    for (method, params) in [
        ("startProcess", vec![Value::Int(1)]),
        ("getProcessInfo", vec![Value::Nil]),
        ("stopProcess", vec![Value::Array(vec![])]),
        ("signalProcess", vec!["solo".into(), Value::Nil]),
        ("signalAllProcesses", vec![Value::Array(vec![])]),
        ("startProcessGroup", vec![Value::Struct(vec![])]),
        ("sendRemoteCommEvent", vec!["a".into(), Value::Nil]),
    ] {
        assert_eq!(bench.fault(method, &params), "INCORRECT_PARAMETERS", "{method}");
    }
}

#[test]
fn a_single_start_is_checked_before_the_coordinator_hears_of_it() {
    let mut missing = testing::program("missing");
    missing.command = "/nonexistent/prog -x".to_owned();
    let mut quote = testing::program("quote");
    quote.command = "/bin/echo \"abc".to_owned();
    let mut path = testing::program("path");
    path.command = "sh".to_owned();
    path.environment = vec![("PATH".to_owned(), "/nonexistent".to_owned())];
    let bench = Bench::new(vec![testing::group(
        "g",
        vec![missing, quote, path].into_iter().map(Arc::new).collect(),
    )]);
    let start = |name: &str| bench.fault("startProcess", &texts(&[name]));
    assert_eq!(start("g:missing"), "NO_FILE: can't find command '/nonexistent/prog'");
    assert_eq!(
        start("g:quote"),
        "NOT_EXECUTABLE: can't parse command '/bin/echo \"abc': No closing quotation"
    );
    assert_eq!(start("g:path"), "NO_FILE: can't find command 'sh'");
    // Even of one that runs.
    set(&bench, "g", "missing", State::Running);
    assert_eq!(start("g:missing"), "NO_FILE: can't find command '/nonexistent/prog'");
    assert_eq!(bench.asked.lock().unwrap().len(), 0);
    bench.call("startProcessGroup", &texts(&["g"])).unwrap();
    assert_eq!(
        bench.last_asked(),
        "start 1=g:missing,\
         2=g:quote(NOT_EXECUTABLE: can't parse command '/bin/echo \"abc': No closing quotation),\
         3=g:path(NO_FILE: can't find command 'sh') true Many"
    );
}

#[test]
fn calls_become_ops_with_the_names_that_faults_show() {
    let bench = Bench::new(groups());
    for (method, params, op) in [
        ("startProcess", texts(&["g:one"]), "start 1=g:one true Single"),
        ("startProcess", vec!["solo".into(), Value::Int(0)], "start 3=solo false Single"),
        ("startProcess", texts(&["solo:solo"]), "start 3=solo:solo true Single"),
        ("startProcess", texts(&["g:*"]), "start 1=g:one,2=g:two true Many"),
        ("startProcess", texts(&["solo:"]), "start 3=solo true Many"),
        ("startProcessGroup", vec!["g".into(), false.into()], "start 1=g:one,2=g:two false Many"),
        ("startAllProcesses", vec![], "start 1=g:one,2=g:two,3=solo true Many"),
        ("stopProcess", texts(&["g:two"]), "stop 2=g:two true Single"),
        ("stopProcess", texts(&["g:*", ""]), "stop 1=g:one,2=g:two false Many"),
        ("stopProcessGroup", texts(&["solo"]), "stop 3=solo true Many"),
        ("stopAllProcesses", vec![false.into()], "stop 1=g:one,2=g:two,3=solo false Many"),
        ("signalProcess", texts(&["solo", "HUP"]), "signal 3=solo 1 Single"),
        ("signalProcess", vec!["solo".into(), Value::Int(28)], "signal 3=solo 28 Single"),
        ("signalProcess", texts(&["g:*", " usr2 "]), "signal 1=g:one,2=g:two 12 Many"),
        ("signalProcessGroup", texts(&["g", "0"]), "signal 1=g:one,2=g:two 0 Many"),
        ("signalAllProcesses", texts(&["9"]), "signal 1=g:one,2=g:two,3=solo 9 Many"),
        ("sendProcessStdin", texts(&["g:one", "\u{e9}\n"]), "stdin 1=g:one [195, 169, 10]"),
        ("sendRemoteCommEvent", texts(&["a", "b"]), "remote \"a\" \"b\""),
        ("sendRemoteCommEvent", vec![Value::Int(5), "".into()], "remote \"5\" \"\""),
        ("removeProcessGroup", texts(&["g"]), "remove g"),
        ("shutdown", vec![], "shutdown"),
        ("restart", vec![], "restart"),
        ("clearProcessLogs", texts(&["g:one"]), "clear 1=g:one Single"),
        ("clearProcessLog", texts(&["solo"]), "clear 3=solo Single"),
        ("clearAllProcessLogs", vec![], "clear 1=g:one,2=g:two,3=solo Many"),
    ] {
        assert_eq!(bench.call(method, &params), Ok(true.into()), "{method}");
        assert_eq!(bench.last_asked(), op, "{method}");
    }
}

#[test]
fn a_bad_signal_comes_after_a_bad_name_and_before_the_state() {
    let bench = Bench::new(groups());
    for signal in ["NOPE", "99", "", "SIG", "-1"] {
        let text = bench.fault("signalProcess", &texts(&["solo", signal]));
        assert_eq!(text, format!("BAD_SIGNAL: {signal}"));
    }
    let number = vec!["solo".into(), Value::Int(77)];
    assert_eq!(bench.fault("signalProcess", &number), "BAD_SIGNAL: 77");
    assert_eq!(bench.fault("signalProcess", &texts(&["nope", "NOPE"])), "BAD_NAME: nope");
    assert_eq!(bench.fault("signalProcess", &texts(&["nope:*", "NOPE"])), "BAD_NAME: nope:*");
}

#[test]
fn a_bad_signal_to_many_is_a_result_of_each_that_could_get_one() {
    let bench = Bench::new(groups());
    let all = |bench: &Bench| bench.call("signalAllProcesses", &texts(&["NOPE"])).unwrap();
    assert_eq!(all(&bench), Value::Array(vec![]));
    set(&bench, "g", "two", State::Stopping);
    let results = all(&bench);
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].get("name"), Some(&"two".into()));
    assert_eq!(results[0].get("group"), Some(&"g".into()));
    assert_eq!(results[0].get("status"), Some(&Value::Int(11)));
    assert_eq!(results[0].get("description"), Some(&"BAD_SIGNAL: NOPE".into()));
}

#[test]
fn stdin_looks_at_the_text_before_the_name() {
    let bench = Bench::new(groups());
    let fault = |params: &[Value]| bench.fault("sendProcessStdin", params);
    assert_eq!(fault(&["nope".into(), Value::Int(1)]), "INCORRECT_PARAMETERS: 1");
    assert_eq!(fault(&texts(&["nope", "x"])), "BAD_NAME: nope");
    assert_eq!(fault(&texts(&["g:*", "x"])), "BAD_NAME: g:*");
    let bytes = Value::Base64(vec![0, 255]);
    assert!(bench.call("sendProcessStdin", &["solo".into(), bytes]).is_ok());
    assert_eq!(bench.last_asked(), "stdin 3=solo [0, 255]");
}

#[test]
fn a_coordinator_that_is_gone_is_a_shutdown_and_a_dropped_call_a_failure() {
    let dropped = Bench::with(testing::config(groups()), Box::new(|_| None), Err(String::new()));
    assert_eq!(dropped.fault("stopProcess", &texts(&["solo"])), "FAILED: the call was dropped");
    let (inbox, calls) = crate::coordinator::mailbox::mailbox();
    drop(calls);
    let service = Service::new(
        testing::published(groups()),
        inbox,
        Box::new(|| Err(String::new())),
        dropped.service.activity.clone(),
    );
    let refused = service.call("supervisor.stopProcess", &texts(&["solo"])).unwrap_err();
    assert_eq!(refused.text, "SHUTDOWN_STATE");
}

#[test]
fn rereading_hands_the_configuration_over_or_says_why_not() {
    let bad = Bench::new(groups());
    assert_eq!(bad.fault("reloadConfig", &[]), "CANT_REREAD: no file");
    let fresh = testing::config(vec![testing::group("new", vec![])]);
    let good = Bench::with(
        testing::config(groups()),
        Box::new(|_| Some(Ok(Value::Array(vec![])))),
        Ok(fresh),
    );
    assert_eq!(good.call("reloadConfig", &[]), Ok(Value::Array(vec![])));
    assert_eq!(good.last_asked(), "adopt 1");
}

#[test]
fn adding_a_group_makes_its_logs_and_takes_them_back_when_refused() {
    let dir = testing::scratch("dispatch-add");
    let files = || std::fs::read_dir(&*dir).unwrap().count();
    let with = |answer: Result<Value, Fault>| {
        let bench = Bench::with(
            testing::config(groups()),
            Box::new(move |_| Some(answer.clone())),
            Err(String::new()),
        );
        let mut program = testing::program("fresh");
        program.stdout.target = LogTarget::Auto;
        let mut config = testing::config(vec![testing::group("fresh", vec![Arc::new(program)])]);
        config.daemon.childlogdir = dir.to_path_buf();
        bench.published.set_config(Arc::new(config));
        bench
    };
    let quicker = with(Err(fault(super::super::faults::ALREADY_ADDED, Some("fresh"))));
    assert_eq!(quicker.fault("addProcessGroup", &texts(&["fresh"])), "ALREADY_ADDED: fresh");
    assert_eq!(files(), 0);
    let bench = with(Ok(true.into()));
    assert_eq!(bench.call("addProcessGroup", &texts(&["fresh"])), Ok(true.into()));
    assert_eq!((files(), bench.last_asked().as_str()), (1, "add fresh 1"));
    // Active, but not in the configuration any more.
    assert_eq!(bench.fault("addProcessGroup", &texts(&["solo"])), "BAD_NAME: solo");
    let both = Bench::new(groups());
    assert_eq!(both.fault("addProcessGroup", &texts(&["solo"])), "ALREADY_ADDED: solo");
    std::fs::remove_dir_all(&*dir).unwrap();
    let text = bench.fault("addProcessGroup", &texts(&["fresh"]));
    assert!(text.starts_with("FAILED: ") && text.contains("fresh-stdout---supervisor-"), "{text}");
}

#[test]
fn missing_logs_are_told_as_upstream_tells_them() {
    let dir = testing::scratch("dispatch-logs");
    let file = dir.join("p.log");
    let mut program = testing::program("p");
    program.stdout.target = LogTarget::File(file.clone());
    let bench = Bench::new(vec![testing::group("p", vec![Arc::new(program)])]);
    let zero = [Value::Int(0), Value::Int(0)];
    let params = |name: &str| [vec![name.into()], zero.to_vec()].concat();
    let missing = format!("NO_FILE: {}", file.display());
    assert_eq!(bench.fault("readProcessStdoutLog", &params("p")), missing);
    assert_eq!(bench.fault("readProcessStderrLog", &params("p")), "NO_FILE");
    assert_eq!(bench.fault("readProcessLog", &params("p:*")), "BAD_NAME: p:*");
    let empty = Value::Array(vec!["".into(), Value::Int(0), false.into()]);
    for method in ["tailProcessLog", "tailProcessStdoutLog", "tailProcessStderrLog"] {
        assert_eq!(bench.call(method, &params("p")), Ok(empty.clone()));
    }
    std::fs::write(&file, "0123456789").unwrap();
    let read = |a: Value, b: Value| bench.call("readProcessLog", &["p".into(), a, b]);
    assert_eq!(read("2".into(), Value::Double(3.7)), Ok("234".into()));
    assert_eq!(read("a".into(), "b".into()).unwrap_err().text, "INCORRECT_PARAMETERS");
    assert_eq!(read(Value::Int(-1), Value::Int(1)).unwrap_err().text, "BAD_ARGUMENTS");
    assert_eq!(
        bench.call("tailProcessLog", &["p".into(), Value::Int(8), Value::Int(20)]),
        Ok(Value::Array(vec!["0123456789".into(), Value::Int(10), false.into()]))
    );
}

#[test]
fn the_activity_log_is_read_and_cleared_only_where_there_is_a_file() {
    let dir = testing::scratch("dispatch-main-log");
    let mut config = testing::config(vec![]);
    config.daemon.logfile = dir.join("s.log");
    let file = config.daemon.logfile.clone();
    let bench = Bench::with(config, Box::new(|_| Some(Ok(true.into()))), Err(String::new()));
    let zero = [Value::Int(0), Value::Int(0)];
    assert_eq!(bench.fault("readLog", &zero), format!("NO_FILE: {}", file.display()));
    assert_eq!(bench.fault("clearLog", &[]), "NO_FILE");
    std::fs::write(&file, "hello").unwrap();
    assert_eq!(bench.call("readMainLog", &zero), Ok("hello".into()));
    assert_eq!(bench.call("clearLog", &[]), Ok(true.into()));
    assert_eq!(bench.last_asked(), "clear log");
    assert_eq!(bench.log(), ["INFO reopening log file"]);
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/null", &file).unwrap();
    assert_eq!(bench.fault("clearLog", &[]), "FAILED");
}

#[test]
fn documents_are_answered_with_documents_and_noise_is_refused() {
    let bench = Bench::new(vec![]);
    let call = xml::encode_call("supervisor.getAPIVersion", &[]);
    let answer = bench.service.xmlrpc(call.as_bytes()).unwrap();
    assert_eq!(xml::decode_response(&answer), Ok(Ok("3.0".into())));
    let call = xml::encode_call("supervisor.no\npe", &[]);
    let answer = bench.service.xmlrpc(call.as_bytes()).unwrap();
    assert_eq!(xml::decode_response(&answer), Ok(Err(fault(UNKNOWN_METHOD, None))));
    let refused = |body: &[u8]| bench.service.xmlrpc(body).unwrap_err().0;
    assert_eq!(refused(b"hello"), "unmarshallable");
    assert_eq!(refused(b"<methodCall></methodCall>"), "no method name");
    assert_eq!(
        bench.log(),
        [
            "TRAC XML-RPC method called: supervisor.getAPIVersion()",
            "TRAC XML-RPC method supervisor.getAPIVersion() returned successfully",
            "TRAC XML-RPC method called: supervisor.no\\npe()",
            "TRAC XML-RPC method supervisor.no\\npe() returned fault: [1] UNKNOWN_METHOD",
        ]
    );
}

#[test]
fn all_of_a_thousand_processes_come_in_one_answer() {
    let groups = (0..1000)
        .map(|n| {
            let name = format!("p{n:04}");
            testing::group(&name, vec![Arc::new(testing::program(&name))])
        })
        .collect();
    let bench = Bench::new(groups);
    let all = bench.call("getAllProcessInfo", &[]).unwrap();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 1000);
    assert_eq!(all[999].get("name"), Some(&"p0999".into()));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-20i64..20).prop_map(Value::Int),
        any::<f64>().prop_map(Value::Double),
        ".*".prop_map(Value::Str),
        prop_oneof![Just("g:*"), Just("g:one"), Just("solo"), Just("HUP"), Just("getState")]
            .prop_map(Value::from),
        ".*".prop_map(Value::DateTime),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::Base64),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(
                (prop_oneof![Just("methodName".to_owned()), Just("params".to_owned())], inner),
                0..4
            )
            .prop_map(Value::Struct),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_parameters_make_a_call_panic(params in prop::collection::vec(any_value(), 0..4)) {
        let bench = Bench::new(groups());
        for name in bench.service.namespaces.list() {
            let _ = bench.service.call(&name, &params);
        }
    }

    #[test]
    fn no_document_makes_the_service_panic(method in ".*", params in prop::collection::vec(any_value(), 0..4)) {
        let bench = Bench::new(groups());
        let call = xml::encode_call(&method, &params);
        let _ = bench.service.xmlrpc(call.as_bytes());
    }
}

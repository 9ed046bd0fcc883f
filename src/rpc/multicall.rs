//! `system.multicall`: several calls in one request, one after the other.
//!
//! Part of the service; runs on the connection's thread. A call that takes its time (a start that
//! is waited for) holds up those behind it, as upstream.

use std::sync::{Mutex, PoisonError};

use super::dispatch::Service;
use super::faults::{FAILED, INCORRECT_PARAMETERS, fault};
use super::value::{Fault, Value};

/// Bytes of results after which no further call is made: a request of a few kilobytes could
/// otherwise ask for a thousand logs. The last answer alone may have more (see [`super::logs::MOST`]).
const MOST: usize = 16 * 1024 * 1024;

/// Bytes of results from which on requests go on one at a time, lest many of them fill the memory.
const MANY: usize = 1024 * 1024;

/// Whose turn that is.
static TURN: Mutex<()> = Mutex::new(());

/// Makes the calls of an array of structs `{methodName, params}`. Results are bare values, as the
/// reference gives them, not the one-element arrays that other servers give.
///
/// # Errors
/// INCORRECT_PARAMETERS where this is no array of structs; then no call is made. Upstream answers
/// HTTP 500, after the calls before the first bad one.
pub(super) fn multicall(service: &Service, calls: Option<&Value>) -> Result<Value, Fault> {
    let calls = match calls {
        Some(Value::Array(items)) if items.iter().all(|c| matches!(c, Value::Struct(_))) => items,
        _ => return Err(fault(INCORRECT_PARAMETERS, None)),
    };
    let mut results = Vec::with_capacity(calls.len());
    let mut size = 0usize;
    let mut turn = None;
    for call in calls {
        if size >= MANY && turn.is_none() {
            turn = Some(TURN.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let result = match size {
            0..MOST => one(service, call),
            _ => Err(fault(FAILED, Some("the answers before this one are too long"))),
        };
        let value = result.unwrap_or_else(|f| {
            Value::Struct(vec![
                ("faultCode".to_owned(), f.code.into()),
                ("faultString".to_owned(), f.text.into()),
            ])
        });
        size = size.saturating_add(weight(&value));
        results.push(value);
    }
    Ok(Value::Array(results))
}

fn one(service: &Service, call: &Value) -> Result<Value, Fault> {
    let incorrect = |why| Err(fault(INCORRECT_PARAMETERS, why));
    let name = match call.get("methodName") {
        None | Some(Value::Nil) => return incorrect(Some("No methodName")),
        Some(Value::Str(name)) => name,
        Some(_) => return incorrect(None),
    };
    if name == "system.multicall" {
        return incorrect(Some("Recursive system.multicall forbidden"));
    }
    match call.get("params") {
        None => service.call(name, &[]),
        Some(Value::Array(params)) => service.call(name, params),
        Some(_) => incorrect(None),
    }
}

/// About how many bytes a value takes, in memory and in the answer.
fn weight(value: &Value) -> usize {
    let own = match value {
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Double(_) => 0,
        Value::Str(s) | Value::DateTime(s) => s.len(),
        Value::Base64(b) => b.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Struct(members) => members.iter().map(|(n, v)| n.len() + 32 + weight(v)).sum(),
    };
    own.saturating_add(32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::testing::Bench;

    fn call(name: Value, params: Option<Value>) -> Value {
        let mut members = vec![("methodName".to_owned(), name)];
        members.extend(params.map(|p| ("params".to_owned(), p)));
        Value::Struct(members)
    }
    fn run(calls: Vec<Value>) -> Result<Value, Fault> {
        Bench::new(vec![]).service.call("system.multicall", &[Value::Array(calls)])
    }
    fn text(result: &Value) -> &str {
        result.get("faultString").and_then(Value::as_str).unwrap_or("no fault")
    }

    #[test]
    fn results_are_bare_values_and_faults_are_structs() {
        let results = run(vec![
            call("supervisor.getAPIVersion".into(), Some(Value::Array(vec![]))),
            call("supervisor.getProcessInfo".into(), Some(Value::Array(vec!["nope".into()]))),
            call("supervisor.nope".into(), None),
            call("supervisor.getState".into(), Some(Value::Array(vec![Value::Int(1)]))),
            call("supervisor.getIdentification".into(), None),
        ])
        .unwrap();
        let results = results.as_array().unwrap();
        assert_eq!(results[0], "3.0".into());
        assert_eq!(results[1].get("faultCode"), Some(&Value::Int(10)));
        assert_eq!(text(&results[1]), "BAD_NAME: nope");
        assert_eq!(text(&results[2]), "UNKNOWN_METHOD");
        assert_eq!(text(&results[3]), "INCORRECT_PARAMETERS");
        assert_eq!(results[4], "supervisor".into());
    }

    #[test]
    fn no_calls_give_no_results() {
        assert_eq!(run(vec![]).unwrap(), Value::Array(vec![]));
    }

    #[test]
    fn bad_items_are_faults_of_their_own() {
        let nested = call("system.multicall".into(), Some(Value::Array(vec![])));
        let results = run(vec![
            nested,
            Value::Struct(vec![]),
            call(Value::Nil, None),
            call(Value::Int(3), None),
            call("supervisor.getState".into(), Some(Value::Int(3))),
        ])
        .unwrap();
        let texts: Vec<&str> = results.as_array().unwrap().iter().map(text).collect();
        assert_eq!(
            texts,
            [
                "INCORRECT_PARAMETERS: Recursive system.multicall forbidden",
                "INCORRECT_PARAMETERS: No methodName",
                "INCORRECT_PARAMETERS: No methodName",
                "INCORRECT_PARAMETERS",
                "INCORRECT_PARAMETERS",
            ]
        );
    }

    #[test]
    fn what_is_no_array_of_structs_is_refused_as_a_whole() {
        assert_eq!(run(vec!["a".into()]).unwrap_err().text, "INCORRECT_PARAMETERS");
        let bench = Bench::new(vec![]);
        for value in [Value::from("abc"), Value::Int(1), Value::Nil, Value::Struct(vec![])] {
            let refused = bench.service.call("system.multicall", &[value]).unwrap_err();
            assert_eq!(refused.text, "INCORRECT_PARAMETERS");
        }
    }

    #[test]
    fn weight_grows_with_texts() {
        let long = Value::Array(vec!["x".repeat(1000).into(), Value::Int(1)]);
        assert!((1000..1200).contains(&weight(&long)));
    }
}

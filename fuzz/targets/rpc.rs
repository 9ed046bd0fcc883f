//! XML-RPC: the codec, and the service behind it.

use std::sync::{Arc, OnceLock};

use supervisord::rpc::dispatch::Service;
use supervisord::rpc::value::{Fault, Value};
use supervisord::rpc::xml::{
    MAX_DEPTH, decode_call, decode_response, encode_call, encode_fault, encode_response,
};

/// What was read is written so that it is read back the same.
pub fn xmlrpc_call(data: &[u8]) {
    let Ok((method, params)) = decode_call(data) else { return };
    assert!(!method.is_empty());
    params.iter().for_each(|p| assert!(depth(p) <= MAX_DEPTH));
    let again = decode_call(encode_call(&method, &params).as_bytes());
    let want = (carried(&method), params.iter().map(normal).collect::<Vec<_>>());
    let (got_method, got_params) = again.expect("what we wrote is a call");
    assert_eq!(got_method, want.0);
    assert!(same_all(&got_params, &want.1), "{got_params:?}\nis not\n{:?}", want.1);
}

/// The same for answers; and a fault stays one.
pub fn xmlrpc_response(data: &[u8]) {
    match decode_response(data) {
        Ok(Ok(value)) => {
            assert!(depth(&value) <= MAX_DEPTH);
            let again = decode_response(encode_response(&value).as_bytes());
            let again = again.expect("what we wrote is a response").expect("and no fault");
            assert!(same(&again, &normal(&value)), "{again:?}\nis not\n{:?}", normal(&value));
        }
        Ok(Err(fault)) => {
            let again = decode_response(encode_fault(&fault).as_bytes());
            let again = again.expect("what we wrote is a response").expect_err("and a fault");
            assert_eq!(again, Fault { code: fault.code, text: carried(&fault.text) });
        }
        Err(error) => assert!(error.to_string().len() < 1000, "errors do not hold documents"),
    }
}

/// A text as it comes back: carriage returns are written as they are, as Python does, and XML reads
/// those as newlines; what XML forbids is replaced.
fn carried(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let forbidden =
        |c: char| c < ' ' && !matches!(c, '\t' | '\n') || "\u{fffe}\u{ffff}".contains(c);
    text.replace(forbidden, "\u{fffd}")
}

fn normal(value: &Value) -> Value {
    match value {
        Value::Str(s) => Value::Str(carried(s)),
        Value::DateTime(s) => Value::DateTime(carried(s)),
        Value::Array(items) => Value::Array(items.iter().map(normal).collect()),
        Value::Struct(members) => {
            let all: Vec<_> = members.iter().map(|(n, v)| (carried(n), normal(v))).collect();
            // names that only differed by what cannot be carried have become one: the last counts
            let is_last = |i: usize| all.iter().skip(i + 1).all(|(n, _)| *n != all[i].0);
            Value::Struct((0..all.len()).filter(|i| is_last(*i)).map(|i| all[i].clone()).collect())
        }
        other => other.clone(),
    }
}

/// Equal, where NaN equals itself.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a == b || a.is_nan() && b.is_nan(),
        (Value::Array(a), Value::Array(b)) => same_all(a, b),
        (Value::Struct(a), Value::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
        }
        _ => a == b,
    }
}

fn same_all(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

fn depth(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Struct(members) => members.iter().map(|(_, v)| depth(v)).max().unwrap_or(0),
        _ => 0,
    }
}

/// The service of a daemon that has programs, but no coordinator any more.
pub fn daemon() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let published = Arc::clone(super::config::published());
        supervisord::rpc::fuzzing::service(published).expect("a descriptor is to be had")
    })
}

/// Every request has an answer that can be read, or is no request.
pub fn rpc_service(data: &[u8]) {
    match daemon().xmlrpc(data) {
        Ok(answer) => drop(decode_response(&answer).expect("what we answer is a response")),
        Err(error) => assert!(decode_call(data).is_err(), "{error}"),
    }
}

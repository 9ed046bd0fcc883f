//! The XML-RPC codec, one for daemon and client.
//!
//! Runs on the caller's thread, owns nothing, touches nothing. Documents come from strangers: size
//! and depth are capped, nothing recurses, and entities other than the five predefined ones and
//! character references are refused, as is any DOCTYPE.
//!
//! What is written has the layout of Python's `xmlrpc.client.dumps`, byte for byte, since some
//! clients of the reference take answers apart with regular expressions. What is read is whatever
//! the reference reads, and the extensions `nil` and `i8`.

mod read;
mod write;

pub use read::{decode_call, decode_response};
pub(super) use write::push_number;
pub use write::{StructText, encode_call, encode_fault, encode_response, encode_structs};

/// Most bytes of a request document.
pub const MAX_CALL: usize = 1024 * 1024;
/// Most bytes of a response document that the client reads: a whole log may come in one.
pub const MAX_RESPONSE: usize = 64 * 1024 * 1024;
/// Most values inside one another.
pub const MAX_DEPTH: usize = 64;

/// Why a document is no XML-RPC call or response. Never holds more than a few words of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// More bytes than allowed.
    #[error("the document has more than {0} bytes")]
    TooLarge(usize),
    /// Values inside one another beyond [`MAX_DEPTH`].
    #[error("values are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// Neither UTF-8 nor declared as Latin-1.
    #[error("the document is not in UTF-8")]
    Encoding,
    /// A character that XML 1.0 forbids.
    #[error("the document has a character that XML forbids")]
    Character,
    /// A document type definition.
    #[error("a DOCTYPE is not allowed")]
    Doctype,
    /// An entity that is not predefined.
    #[error("entity \"{0}\" is not allowed")]
    Entity(String),
    /// Not well-formed.
    #[error("not well-formed: {0}")]
    Syntax(String),
    /// It ends too early.
    #[error("the document is incomplete")]
    Incomplete,
    /// An element where it has no place.
    #[error("element \"{0}\" has no place here")]
    Misplaced(String),
    /// An element lacks its content.
    #[error("{0} has no value")]
    Missing(&'static str),
    /// A call without a method name, or with an empty one.
    #[error("no method name")]
    NoMethod,
    /// A text that is no value of its type.
    #[error("\"{text}\" is no {kind}")]
    BadValue {
        /// Type.
        kind: &'static str,
        /// Text, shortened.
        text: String,
    },
}

/// Whether XML 1.0 allows the character in a document.
fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rpc::value::{Fault, Value};

    fn call(params: &str) -> Result<Vec<Value>, XmlError> {
        let doc = format!("<methodCall><methodName>m</methodName>{params}</methodCall>");
        decode_call(doc.as_bytes()).map(|(_, p)| p)
    }
    fn value(inner: &str) -> Result<Value, XmlError> {
        call(&format!("<params><param><value>{inner}</value></param></params>"))
            .map(|mut p| p.remove(0))
    }
    fn s(text: &str) -> Value {
        Value::Str(text.into())
    }

    #[test]
    fn responses_have_the_bytes_of_python() {
        let v = Value::Struct(vec![
            ("statecode".into(), Value::Int(1)),
            ("ok".into(), Value::Bool(true)),
            ("list".into(), Value::Array(vec![s("x]]>&<"), Value::Int(-5), Value::Array(vec![])])),
        ]);
        let want = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><struct>\n\
            <member>\n<name>statecode</name>\n<value><int>1</int></value>\n</member>\n\
            <member>\n<name>ok</name>\n<value><boolean>1</boolean></value>\n</member>\n\
            <member>\n<name>list</name>\n<value><array><data>\n\
            <value><string>x]]&gt;&amp;&lt;</string></value>\n<value><int>-5</int></value>\n\
            <value><array><data>\n</data></array></value>\n</data></array></value>\n</member>\n\
            </struct></value>\n</param>\n</params>\n</methodResponse>\n";
        assert_eq!(encode_response(&v), want);
    }

    #[test]
    fn structs_are_written_as_their_values_are() {
        use crate::rpc::members::{Members, Tree, member};
        fn tell(item: &(&str, i32), to: &mut impl Members) {
            to.text(member!("name"), item.0);
            to.int(member!("pid"), item.1);
        }
        for items in [vec![], vec![("a<&>\u{1}é", 0), ("", i32::MIN), ("c", i32::MAX), ("d", -10)]]
        {
            let tree = |item| {
                let mut tree = Tree::with_capacity(2);
                tell(item, &mut tree);
                tree.into_value()
            };
            let want = encode_response(&Value::Array(items.iter().map(tree).collect()));
            assert_eq!(encode_structs(items.iter(), 1, |item, to| tell(item, to)), want);
        }
    }

    #[test]
    fn numbers_are_written_as_rust_writes_them() {
        for number in [0, 1, -1, 9, 10, 99, 100, -100, i64::MAX, i64::MIN, 2_147_483_648] {
            let mut out = String::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }

    #[test]
    fn faults_have_the_bytes_of_python() {
        let want = "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n\
            <name>faultCode</name>\n<value><int>1</int></value>\n</member>\n<member>\n\
            <name>faultString</name>\n<value><string>UNKNOWN_METHOD</string></value>\n</member>\n\
            </struct></value>\n</fault>\n</methodResponse>\n";
        let fault = Fault { code: 1, text: "UNKNOWN_METHOD".into() };
        assert_eq!(encode_fault(&fault), want);
        assert_eq!(decode_response(want.as_bytes()), Ok(Err(fault)));
    }

    #[test]
    fn calls_have_the_bytes_of_python() {
        let want = "<?xml version='1.0'?>\n<methodCall>\n<methodName>a.b</methodName>\n<params>\n\
            <param>\n<value><string>x</string></value>\n</param>\n<param>\n\
            <value><base64>\naGk=\n</base64></value>\n</param>\n</params>\n</methodCall>\n";
        assert_eq!(encode_call("a.b", &[s("x"), Value::Base64(b"hi".to_vec())]), want);
        assert_eq!(
            encode_call("a.b", &[]),
            "<?xml version='1.0'?>\n<methodCall>\n<methodName>a.b</methodName>\n<params>\n\
             </params>\n</methodCall>\n"
        );
    }

    #[test]
    fn every_type_is_read() {
        for (text, want) in [
            ("<i4>4</i4>", Value::Int(4)),
            ("<int> +007 </int>", Value::Int(7)),
            ("<int>1_000</int>", Value::Int(1000)),
            ("<i8>-9000000000</i8>", Value::Int(-9_000_000_000)),
            ("<int>99999999999999999999</int>", Value::Int(i64::MAX)),
            ("<boolean>1</boolean>", Value::Bool(true)),
            ("<boolean>0</boolean>", Value::Bool(false)),
            ("<boolean/>", Value::Bool(false)),
            ("<double>-1.5e3</double>", Value::Double(-1500.0)),
            ("<string>a</string>", s("a")),
            ("<string/>", s("")),
            ("<string></string>", s("")),
            ("<string> a  b\n</string>", s(" a  b\n")),
            ("plain", s("plain")),
            ("", s("")),
            (" ", s(" ")),
            ("<![CDATA[<a> & b]]>c", s("<a> & bc")),
            ("a<!-- note -->b<?pi x?>c", s("abc")),
            ("&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#233;", s("<>&\"'ABé")),
            ("a\r\nb\rc&#13;", s("a\nb\nc\r")),
            ("<nil/>", Value::Nil),
            ("<ex:nil/>", Value::Nil),
            ("<ex:i8>1</ex:i8>", Value::Int(1)),
            ("<foo>bar</foo>", s("bar")),
            (
                "<dateTime.iso8601>20260131T10:11:12</dateTime.iso8601>",
                Value::DateTime("20260131T10:11:12".into()),
            ),
            ("<base64>\n aGVs\n bG8= \n</base64>", Value::Base64(b"hello".to_vec())),
            ("<base64/>", Value::Base64(vec![])),
            ("<array><data/></array>", Value::Array(vec![])),
            (
                "\n <array> <data>\n <value/> <value><i4>1</i4></value></data> </array>\n",
                Value::Array(vec![s(""), Value::Int(1)]),
            ),
            ("<struct/>", Value::Struct(vec![])),
            (
                "<struct> <member> <value>v</value> <name>n</name> </member>\
                 <member><name/><value/></member></struct>",
                Value::Struct(vec![("n".into(), s("v")), (String::new(), s(""))]),
            ),
            (
                "<struct><member><name>a</name><value>1</value></member><member><name>b</name>\
                 <value/></member><member><name>a</name><value>2</value></member></struct>",
                Value::Struct(vec![("b".into(), s("")), ("a".into(), s("2"))]),
            ),
        ] {
            assert_eq!(value(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn bad_values_are_refused() {
        for text in [
            "<int/>",
            "<int>x</int>",
            "<int>1.0</int>",
            "<int>_1</int>",
            "<int>1__0</int>",
            "<int>+-1</int>",
            "<double>x</double>",
            "<base64>!</base64>",
            "<base64>a</base64>",
            "<array/>",
            "<array><value/></array>",
            "<array><data><int>1</int></data></array>",
            "<struct><member><name>n</name></member></struct>",
            "<struct><member><value/></member></struct>",
            "<struct><member><name/><name/><value/></member></struct>",
            "<struct><member><name/><value/><value/></member></struct>",
            "<struct><name/></struct>",
            "<string><b/></string>",
            "<int>1</int><int>2</int>",
            "<value/>",
            "&nbsp;",
            "a & b",
            "&#0;",
            "&#1;",
            "&#xFFFF;",
            "&#xD800;",
            "\u{1}",
            "<string>",
            "</string>",
        ] {
            assert!(value(text).is_err(), "{text}: {:?}", value(text));
        }
    }

    #[test]
    fn params_may_be_missing_and_param_too() {
        assert_eq!(call(""), Ok(vec![]));
        assert_eq!(call("<params/>"), Ok(vec![]));
        assert_eq!(call("<params> \n </params>"), Ok(vec![]));
        assert_eq!(call("<params><value>a</value></params>"), Ok(vec![s("a")]));
        assert!(call("<params><param/></params>").is_err());
        assert!(call("<params/><params/>").is_err());
        assert!(call("<params><param><value/><value/></param></params>").is_err());
    }

    #[test]
    fn no_method_name_is_told_from_no_xml() {
        for doc in [
            "<methodCall></methodCall>",
            "<methodCall/>",
            "<methodCall><methodName></methodName></methodCall>",
            "<methodCall><methodName/><params/></methodCall>",
        ] {
            assert_eq!(decode_call(doc.as_bytes()), Err(XmlError::NoMethod), "{doc}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for doc in [
            "",
            " ",
            "hello",
            "<methodCall><methodName>x",
            "<methodCall><methodName>x</methodName>",
            "<methodCall><methodName>x</methodCall></methodName>",
            "<methodCall><methodName>x</methodName></methodCall><a/>",
            "<methodCall><methodName>x</methodName></methodCall>x",
            "x<methodCall><methodName>x</methodName></methodCall>",
            "<methodResponse/>",
            "<a><methodCall><methodName>x</methodName></methodCall></a>",
            "<!DOCTYPE x [<!ENTITY e 'cat'>]><methodCall><methodName>x</methodName></methodCall>",
        ] {
            assert!(decode_call(doc.as_bytes()).is_err(), "{doc}");
        }
        let doc = b"\xef\xbb\xbf<?xml version='1.0'?><!-- c -->\n<methodCall a='1'>\n\
            <methodName>x</methodName></methodCall>\n<!-- end -->\n";
        assert_eq!(decode_call(doc), Ok(("x".into(), vec![])));
    }

    #[test]
    fn latin1_is_read_when_declared() {
        let doc = |head: &str, text: &[u8]| {
            let mut d = head.as_bytes().to_vec();
            d.extend_from_slice(b"<methodCall><methodName>");
            d.extend_from_slice(text);
            d.extend_from_slice(b"</methodName></methodCall>");
            decode_call(&d).map(|(m, _)| m)
        };
        let latin = "<?xml version='1.0' encoding='ISO-8859-1'?>";
        assert_eq!(doc(latin, b"\xe9t\xe9"), Ok("été".into()));
        assert_eq!(doc(latin, "é".as_bytes()), Ok("é".into()), "the reference takes UTF-8 always");
        assert_eq!(doc("<?xml version=\"1.0\" encoding = \"latin-1\"?>", b"\xe9"), Ok("é".into()));
        assert_eq!(doc("<?xml version='1.0'?>", b"\xe9"), Err(XmlError::Encoding));
        assert_eq!(
            doc("<?xml version='1.0' encoding='utf-16'?>", b"\xe9"),
            Err(XmlError::Encoding)
        );
        assert_eq!(doc("", b"\xe9 encoding='latin-1'?>"), Err(XmlError::Encoding));
    }

    #[test]
    fn depth_and_size_are_capped() {
        let nested =
            |n: usize| "<array><data><value>".repeat(n) + &"</value></data></array>".repeat(n);
        assert!(value(&nested(MAX_DEPTH - 1)).is_ok());
        assert_eq!(value(&nested(MAX_DEPTH)), Err(XmlError::TooDeep));
        assert_eq!(value(&"<array><data><value>".repeat(40_000)), Err(XmlError::TooDeep));
        assert!(value(&"<a>".repeat(40_000)).is_err());
        assert_eq!(value(&" ".repeat(MAX_CALL)), Err(XmlError::TooLarge(MAX_CALL)));
    }

    #[test]
    fn an_error_never_holds_the_document() {
        let long = "x".repeat(100_000);
        for e in [
            value(&format!("<int>{long}</int>")),
            value(&format!("<string><{long}/></string>")),
            value(&format!("&{long};")),
            value(&format!("<string></{long}>")),
        ] {
            let text = e.unwrap_err().to_string();
            assert!(text.len() < 300, "{text}");
        }
    }

    #[test]
    fn characters_that_xml_forbids_are_replaced_when_written() {
        let text = encode_response(&s("a\u{0}b\u{1b}[0mc\u{fffe}\t\n"));
        assert!(text.contains("<string>a\u{fffd}b\u{fffd}[0mc\u{fffd}\t\n</string>"), "{text}");
        assert!(encode_call("m\u{1}", &[]).contains("m\u{fffd}"));
    }

    #[test]
    fn responses_of_a_python_server_are_read() {
        let doc = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n\
            <value><string>raw \u{1b}[0m</string></value>\n</param>\n</params>\n</methodResponse>\n";
        assert_eq!(decode_response(doc.as_bytes()), Ok(Ok(s("raw \u{1b}[0m"))));
        for bad in [
            "<methodResponse/>",
            "<methodResponse><params/></methodResponse>",
            "<methodResponse><fault/></methodResponse>",
            "<methodResponse><fault><value>x</value></fault></methodResponse>",
            "<methodCall><methodName>x</methodName></methodCall>",
            "<html></html>",
            "",
        ] {
            assert!(decode_response(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn big_ints_are_written_as_i8() {
        assert!(encode_response(&Value::Int(1 << 31)).contains("<i8>2147483648</i8>"));
        assert!(encode_response(&Value::Int((1 << 31) - 1)).contains("<int>2147483647</int>"));
        assert!(encode_response(&Value::Int(-(1 << 31))).contains("<int>-2147483648</int>"));
    }

    fn text() -> impl Strategy<Value = String> {
        // a literal carriage return is read back as a newline, as XML has it
        "[ -~\t\n\u{a0}-\u{d7ff}\u{e000}-\u{fffd}\u{1f300}-\u{1f6ff}]{0,20}"
    }
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            prop::num::f64::NORMAL.prop_map(Value::Double),
            text().prop_map(Value::Str),
            prop::collection::vec(any::<u8>(), 0..200).prop_map(Value::Base64),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(text(), inner, 0..6)
                    .prop_map(|m| Value::Struct(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_written_is_read_back(
            name in "[a-zA-Z_.é<&>]{1,20}",
            params in prop::collection::vec(values(), 0..4),
        ) {
            let doc = encode_call(&name, &params);
            prop_assert_eq!(decode_call(doc.as_bytes()), Ok((name, params.clone())));
            for v in params {
                let doc = encode_response(&v);
                prop_assert_eq!(decode_response(doc.as_bytes()), Ok(Ok(v)));
            }
        }

        #[test]
        fn faults_survive(code in any::<i32>(), text in text()) {
            let fault = Fault { code, text };
            let doc = encode_fault(&fault);
            prop_assert_eq!(decode_response(doc.as_bytes()), Ok(Err(fault)));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(doc in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode_call(&doc);
            let _ = decode_response(&doc);
        }

        #[test]
        fn mutated_documents_do_not_panic(
            params in prop::collection::vec(values(), 0..3),
            cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            end in any::<prop::sample::Index>(),
        ) {
            let mut doc = encode_call("a.b", &params).into_bytes();
            for (at, byte) in cuts {
                let at = at.index(doc.len());
                doc[at] = byte;
            }
            let _ = decode_call(&doc);
            doc.truncate(end.index(doc.len()));
            let _ = decode_call(&doc);
            let _ = decode_response(&doc);
        }

        #[test]
        fn tag_soup_does_not_panic(parts in prop::collection::vec(prop::sample::select(vec![
            "<methodCall>", "</methodCall>", "<methodName>", "</methodName>", "<params>",
            "</params>", "<param>", "</param>", "<value>", "</value>", "<value/>", "<array>",
            "</array>", "<data>", "</data>", "<struct>", "</struct>", "<member>", "</member>",
            "<name>", "</name>", "<int>1</int>", "<nil/>", "<x>", "</x>", "text", "&lt;", "&#9;",
            "&", "<![CDATA[", "]]>", "<!--", "-->", "<?", "?>", "<methodResponse>", "<fault>",
        ]), 0..30)) {
            let doc = parts.concat();
            let _ = decode_call(doc.as_bytes());
            let _ = decode_response(doc.as_bytes());
        }
    }
}

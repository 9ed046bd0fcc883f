//! Recorded results of CPython 3.11.7, and properties.

use super::*;

/// `text % names` with the names of [`names`].
#[rustfmt::skip]
const RECORDED: &[(&str, Option<&str>)] = &[
    ("plain", Some("plain")),
    ("%%", Some("%")),
    ("100%%", Some("100%")),
    ("%(here)s", Some("/h \u{e9}")),
    ("%(process_num)d", Some("7")),
    ("%(process_num)03d", Some("007")),
    ("%(process_num)x", Some("7")),
    ("%(big)X", Some("12D687")),
    ("%(big)#x", Some("0x12d687")),
    ("%(big)o", Some("4553207")),
    ("%(big)#o", Some("0o4553207")),
    ("%(here)-10s|", Some("/h \u{e9}      |")),
    ("%(here)10s|", Some("      /h \u{e9}|")),
    ("%(here).2s|", Some("/h|")),
    ("%(here)10.2s|", Some("        /h|")),
    ("%(neg)d", Some("-42")),
    ("%(neg)05d", Some("-0042")),
    ("%(neg)-5d|", Some("-42  |")),
    ("%(process_num)+d", Some("+7")),
    ("%(process_num) d", Some(" 7")),
    ("%(process_num).3d", Some("007")),
    ("%(neg)#010x", Some("-0x000002a")),
    ("%(process_num)s", Some("7")),
    ("%(process_num)5s|", Some("    7|")),
    ("%(process_num)05s|", Some("    7|")),
    ("%(q)r", Some("\"it's\"")),
    ("%(here)r", Some("'/h \u{e9}'")),
    ("%(here)a", Some("'/h \\xe9'")),
    ("%(process_num)c|", Some("\u{7}|")),
    ("%(c)c", Some("x")),
    ("%(here)c", None),
    ("%(process_num)e", Some("7.000000e+00")),
    ("%(big).2e", Some("1.23e+06")),
    ("%(big)g", Some("1.23457e+06")),
    ("%(big).3g", Some("1.23e+06")),
    ("%(process_num)g", Some("7")),
    ("%(zero)g", Some("0")),
    ("%(process_num).2f", Some("7.00")),
    ("%(neg)09.1f", Some("-000042.0")),
    ("%(process_num)#.0f", Some("7.")),
    ("%(big)E", Some("1.234567E+06")),
    ("%(process_num)#g", Some("7.00000")),
    ("%(big)#.3g", Some("1.23e+06")),
    ("%(process_num)ld", Some("7")),
    ("%(process_num)i", Some("7")),
    ("%(process_num)u", Some("7")),
    ("%(a(b)c)s", Some("nest")),
    ("%(nope)s", None),
    ("%", None),
    ("100%", None),
    ("%z", None),
    ("%(here", None),
    ("%(here)", None),
    ("%(here)d", None),
    ("%(here)x", None),
    ("%d", None),
    ("%(process_num)y", None),
    ("%5%", None),
    ("%(here)%", None),
    ("%(process_num)*d", None),
    ("%*s", None),
    ("%(here)s %s", None),
    ("%(process_num)llx", None),
    ("%(here) s|", Some("/h \u{e9}|")),
    ("% (here)s", None),
    ("%(big)99999999999d", None),
    ("%()s", None),
    ("%(here)5.s|", Some("     |")),
    ("%(process_num)-+5d|", Some("+7   |")),
    ("%(process_num)#d", Some("7")),
];

fn names() -> Names {
    let mut names = Names::default();
    for (name, text) in [("here", "/h \u{e9}"), ("q", "it's"), ("c", "x"), ("a(b)c", "nest")] {
        names.set(name, text);
    }
    for (name, n) in [("process_num", 7), ("neg", -42), ("big", 1_234_567), ("zero", 0)] {
        names.set_int(name, n);
    }
    names
}

#[test]
fn texts_are_expanded_as_python_expands_them() {
    for (text, recorded) in RECORDED {
        let own = expand(text, Scope(&[&names()]));
        assert_eq!(own.as_deref().ok(), *recorded, "{text:?}: {own:?}");
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let (mut near, mut far) = (Names::default(), Names::default());
    near.set("here", "/x");
    far.set_env("HOME", "/root");
    let e = expand("%(nope)s", Scope(&[&near, &far])).unwrap_err();
    assert_eq!(
        e,
        ExpandError::Unknown { name: "nope".into(), known: "ENV_HOME, here".into(), percent: "%%" }
    );
}

#[test]
fn an_unknown_name_is_not_answered_with_the_whole_environment() {
    let (mut near, mut far) = (Names::default(), Names::default());
    near.set("process_num", "1");
    for name in ["HOME", "PATH", "LANG", "SHELL", "USER"] {
        far.set_env(name, "x");
    }
    let scope = Scope(&[&near, &far]);
    let known = |text| match expand(text, scope).unwrap_err() {
        ExpandError::Unknown { known, .. } => known,
        e => panic!("{e}"),
    };
    assert_eq!(known("%(ENV_HOMEE)s"), "ENV_HOME, process_num, and 4 of the environment");
    assert_eq!(known("%(nothing)s"), "process_num, and 5 of the environment");
}

#[test]
fn the_nearest_layer_wins() {
    let (mut near, mut far) = (Names::default(), Names::default());
    near.set("x", "near");
    far.set("x", "far");
    assert_eq!(expand("%(x)s", Scope(&[&near, &far])).unwrap(), "near");
}

#[test]
fn a_text_format_without_a_name_does_not_give_the_environment_away() {
    assert_eq!(expand("date +%s", Scope(&[&names()])).unwrap(), "date +{...}");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in "(\\PC|%|%\\((process_num|big|here)\\)|[-+ #0-9.*]{0,3}|[sdxXoeEfFgGcra])*") {
        let _ = expand(&text, Scope(&[&names()]));
    }

    #[test]
    fn doubled_percent_signs_come_back_single(text in "\\PC*") {
        let doubled = text.replace('%', "%%");
        proptest::prop_assert_eq!(expand(&doubled, Scope(&[&names()])), Ok(text));
    }

    #[test]
    fn a_name_stands_for_its_value(value in "\\PC*", width in 0usize..40) {
        let mut names = Names::default();
        names.set("v", value.clone());
        let out = expand(&format!("%(v)-{width}s|"), Scope(&[&names])).unwrap();
        proptest::prop_assert_eq!(out, format!("{value:width$}|"));
    }
}

//! Names of processes and groups as typed: `name`, `group:name`, `group:*`, shell patterns. Pure.

use glob::Pattern;

/// A typed name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The group; the name itself when there is no colon.
    pub group: String,
    /// The process, or none for the whole group (`group:*` and `group:`).
    pub process: Option<String>,
}

/// A process there is, for patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its group.
    pub group: String,
    /// Its name in the group.
    pub name: String,
}

/// Takes a typed name apart.
pub fn split(namespec: &str) -> Spec {
    match namespec.split_once(':') {
        Some((group, "" | "*")) => Spec { group: group.to_owned(), process: None },
        Some((group, process)) => {
            Spec { group: group.to_owned(), process: Some(process.to_owned()) }
        }
        None => Spec { group: namespec.to_owned(), process: Some(namespec.to_owned()) },
    }
}

/// The name as it is shown: without the group where both are equal. A missing process shows as
/// `None`, as the reference prints it for `clear group:*`.
pub fn join(group: &str, process: Option<&str>) -> String {
    match process {
        Some(name) if name == group => name.to_owned(),
        Some(name) => format!("{group}:{name}"),
        None => format!("{group}:None"),
    }
}

/// Whether a typed name may be a shell pattern; `group:*` alone is none.
pub fn is_pattern(namespec: &str) -> bool {
    let magic = |text: &str| text.contains(['*', '?', '[']);
    match namespec.split_once(':') {
        Some((group, "*")) => magic(group),
        _ => magic(namespec),
    }
}

/// Replaces patterns by the names they match, in the daemon's order, each once. A pattern without
/// colon is held against the name that `status` shows; with one, both parts against their own.
/// What exists literally, or matches nothing, stays as typed: the daemon then words the error.
pub fn expand(names: &[String], known: &[Known]) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let found = if is_pattern(name) && !is_literal(name, known) {
            matches(name, known)
        } else {
            Vec::new()
        };
        if found.is_empty() {
            out.push(name.clone());
        }
        for item in found {
            if !out.contains(&item) {
                out.push(item);
            }
        }
    }
    out
}

/// The groups of `groups` that a typed group name means: itself, or what it matches as a pattern.
pub fn matching_groups(name: &str, groups: &[String]) -> Vec<String> {
    if groups.iter().any(|group| group == name) || !is_pattern(name) {
        return vec![name.to_owned()];
    }
    let found: Vec<String> = match Pattern::new(name) {
        Ok(pattern) => groups.iter().filter(|group| pattern.matches(group)).cloned().collect(),
        Err(_) => Vec::new(),
    };
    if found.is_empty() { vec![name.to_owned()] } else { found }
}

fn is_literal(name: &str, known: &[Known]) -> bool {
    let spec = split(name);
    known.iter().any(|k| {
        k.group == spec.group && spec.process.as_ref().is_none_or(|process| *process == k.name)
    })
}

fn matches(name: &str, known: &[Known]) -> Vec<String> {
    let hits: Vec<String> = match name.split_once(':') {
        None => match Pattern::new(name) {
            Ok(pattern) => known
                .iter()
                .map(|k| join(&k.group, Some(&k.name)))
                .filter(|shown| pattern.matches(shown))
                .collect(),
            Err(_) => Vec::new(),
        },
        Some((group, process)) => match (Pattern::new(group), Pattern::new(process)) {
            (Ok(group), _) if matches!(process, "" | "*") => known
                .iter()
                .filter(|k| group.matches(&k.group))
                .map(|k| format!("{}:*", k.group))
                .collect(),
            (Ok(group), Ok(process)) => known
                .iter()
                .filter(|k| group.matches(&k.group) && process.matches(&k.name))
                .map(|k| format!("{}:{}", k.group, k.name))
                .collect(),
            _ => Vec::new(),
        },
    };
    let mut unique: Vec<String> = Vec::with_capacity(hits.len());
    for hit in hits {
        if !unique.contains(&hit) {
            unique.push(hit);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Known> {
        [
            ("api", "api"),
            ("web", "web_00"),
            ("web", "web_01"),
            ("webhook", "webhook"),
            ("s*r", "s*r"),
        ]
        .map(|(group, name)| Known { group: group.into(), name: name.into() })
        .to_vec()
    }

    fn expanded(names: &[&str]) -> Vec<String> {
        expand(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(), &known())
    }

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(split("a"), Spec { group: "a".into(), process: Some("a".into()) });
        assert_eq!(split("g:p:q"), Spec { group: "g".into(), process: Some("p:q".into()) });
        assert_eq!(split("g:*"), Spec { group: "g".into(), process: None });
        assert_eq!(split("g:"), Spec { group: "g".into(), process: None });
    }

    #[test]
    fn names_are_shown_without_an_equal_group() {
        assert_eq!(join("a", Some("a")), "a");
        assert_eq!(join("g", Some("p")), "g:p");
        assert_eq!(join("grp", None), "grp:None");
    }

    #[test]
    fn a_pattern_matches_what_status_shows() {
        assert_eq!(expanded(&["web*"]), ["web:web_00", "web:web_01", "webhook"]);
        assert_eq!(expanded(&["a?i"]), ["api"]);
    }

    #[test]
    fn both_parts_may_be_patterns() {
        assert_eq!(expanded(&["w*:*_0[1-9]"]), ["web:web_01"]);
        assert_eq!(expanded(&["w*:*"]), ["web:*", "webhook:*"]);
    }

    #[test]
    fn a_whole_group_stays_one_call() {
        assert_eq!(expanded(&["web:*"]), ["web:*"]);
    }

    #[test]
    fn literal_names_win_and_misses_stay() {
        assert_eq!(expanded(&["s*r"]), ["s*r"]);
        assert_eq!(expanded(&["nope*"]), ["nope*"]);
        assert_eq!(expanded(&["[bad"]), ["[bad"]);
    }

    #[test]
    fn each_match_comes_once_but_repeated_literals_stay() {
        assert_eq!(expanded(&["api", "a*"]), ["api"]);
        assert_eq!(expanded(&["api", "api"]), ["api", "api"]);
    }

    #[test]
    fn groups_match_by_pattern_too() {
        let groups = ["web".to_owned(), "webhook".to_owned()];
        assert_eq!(matching_groups("web", &groups), ["web"]);
        assert_eq!(matching_groups("web*", &groups), ["web", "webhook"]);
        assert_eq!(matching_groups("x*", &groups), ["x*"]);
    }
}

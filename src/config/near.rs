//! Which known name was probably meant by an unknown one.
//!
//! Pure; any thread.

/// Edits, exchanges of neighbours included, that a slip of the hand may need.
const SLIPS: usize = 2;

/// The known names that are a slip or two away, nearest first; case does not count.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    // of a short name two slips leave nothing
    let most = SLIPS.min(wanted.len() / 3);
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .map(|k| (distance(&wanted, &k.to_lowercase().chars().collect::<Vec<_>>()), k))
        .filter(|(slips, _)| *slips <= most)
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, k)| k).collect()
}

/// Letters to put in, take out, change, or exchange with their neighbour to get from one to the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], i: usize| row.get(i).copied().unwrap_or(usize::MAX / 2);
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let kept = at(&last, j) + usize::from(x != y);
            let mut best = kept.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    at(&last, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_names_are_not() {
        let known = ["autorestart", "autostart", "command", "ENV_HOME", "user", "umask"];
        for (name, meant) in [
            ("autorestrat", &["autorestart"][..]),
            ("comand", &["command"]),
            ("ENV_HOMEE", &["ENV_HOME"]),
            ("env_hmoe", &["ENV_HOME"]),
            ("usr", &["user"]),
            ("stopsignal", &[]),
            ("", &[]),
            ("x", &[]),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
        assert_eq!(distance(&[], &['a']), 1);
        assert_eq!(distance(&['a', 'b'], &['b', 'a']), 1);
    }
}

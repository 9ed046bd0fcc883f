//! What others see of our command line (`ps`, `/proc/PID/cmdline`). Used on the main thread at boot,
//! before any other.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Overwrites a secret in our command line, in its own argument or behind its option. The system shows
/// what stands in our memory, so this is a write to that; it was to be seen for a moment all the same.
///
/// # Errors
/// `/proc` is not there, or does not let us.
pub fn hide(secret: &str) -> io::Result<()> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let begin: u64 = arg_start(&stat).ok_or(io::ErrorKind::InvalidData)?;
    let line = std::fs::read("/proc/self/cmdline")?;
    let memory = File::options().write(true).open("/proc/self/mem")?;
    for (offset, length) in places(&line, secret.as_bytes()) {
        memory.write_all_at(&vec![b'x'; length], begin + offset as u64)?;
    }
    Ok(())
}

/// Field `arg_start` of proc(5)'s `stat`.
fn arg_start(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(45)?.parse().ok().filter(|n| *n > 0)
}

/// Offset and length of a secret in a command line: a whole argument, or the end of an option's.
fn places(line: &[u8], secret: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut offset = 0;
    for argument in line.split(|b| *b == 0) {
        let option = argument.first() == Some(&b'-');
        let whole = argument == secret;
        if !secret.is_empty() && (whole || option && argument.ends_with(secret)) {
            found.push((offset + argument.len() - secret.len(), secret.len()));
        }
        offset += argument.len() + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_found_in_every_spelling_of_its_option() {
        let line = b"ctl\0-p\0geheim\0-pgeheim\0--password=geheim\0-igeheim\0ungeheim\0status\0";
        let found: Vec<&[u8]> =
            places(line, b"geheim").into_iter().map(|(o, n)| &line[o..o + n]).collect();
        assert_eq!(found, [b"geheim"; 4]);
        assert_eq!(places(line, b""), []);
        assert_eq!(places(b"", b"x"), []);
    }

    #[test]
    fn the_field_is_found_behind_any_name() {
        let fields: Vec<String> = (3..53).map(|n| n.to_string()).collect();
        assert_eq!(arg_start(&format!("1 (a ) b) {}", fields.join(" "))), Some(48));
        assert_eq!(arg_start("1 (a) S"), None);
    }
}

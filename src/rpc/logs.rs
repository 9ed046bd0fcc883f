//! Reading parts of log files for clients.
//!
//! Runs on the connection's thread; opens files read-only, and regular ones only: a log may be a
//! FIFO or a device (`/dev/stdout`), where an open or a read could block for ever or take bytes
//! away from whom they are for. The rules of offset and length are upstream's `readFile` and
//! `tailFile`, byte for byte.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::faults::{BAD_ARGUMENTS, FAILED, fault};
use super::value::{Fault, Value};
use crate::guarded::{self, How};

/// Most bytes of a log in one answer. More than the default `logfile_maxbytes` of 50 MB, so that a
/// whole log comes in one call as with upstream; few enough to bound what a call can make us hold.
pub const MOST: u64 = 56 * 1024 * 1024;

/// Said of a log that is too long for the memory there is.
pub const NO_MEMORY: &str = "there is not enough memory for so much of it";

/// Reads `length` bytes from `offset` on; a length of 0 means up to the end, a negative offset
/// counts from the end and wants a length of 0.
///
/// Gives at most [`MOST`] bytes: the first of those asked for, or the last with a negative offset.
///
/// # Errors
/// BAD_ARGUMENTS for other negative numbers, FAILED where the file cannot be read, with
/// [`NO_MEMORY`] where that is the reason.
pub fn read(file: &Path, offset: i64, length: i64) -> Result<String, Fault> {
    // Upstream opens first, so an unreadable file wins over bad numbers.
    let mut file = open(file).map_err(|_| fault(FAILED, None))?;
    if (offset < 0 && length != 0) || length < 0 {
        return Err(fault(BAD_ARGUMENTS, None));
    }
    let bytes = match file.as_mut() {
        None => Ok(Vec::new()),
        Some((file, size)) => match u64::try_from(offset) {
            Ok(start) => part(file, start, if length == 0 { MOST } else { length.unsigned_abs() }),
            Err(_) => {
                let wanted = offset.unsigned_abs().min(MOST);
                part(file, size.saturating_sub(wanted), wanted)
            }
        },
    };
    bytes.map(text).map_err(|e| {
        let starved = e.kind() == io::ErrorKind::OutOfMemory;
        fault(FAILED, starved.then_some(NO_MEMORY))
    })
}

/// The end of a log: `[text, size, overflow]`. Of a file that cannot be read `["", offset, false]`.
pub fn tail(file: &Path, offset: i64, length: i64) -> Value {
    let answer = |text: String, offset: i64, overflow: bool| {
        Value::Array(vec![text.into(), offset.into(), overflow.into()])
    };
    let read = open(file).and_then(|opened| {
        let size = opened.as_ref().map_or(0, |(_, size)| *size);
        let (start, count, overflow) = window(size, offset, length);
        let bytes = match opened {
            Some((mut file, _)) => part(&mut file, start, count)?,
            None => Vec::new(),
        };
        Ok(answer(text(bytes), i64::try_from(size).unwrap_or(i64::MAX), overflow))
    });
    read.unwrap_or_else(|_| answer(String::new(), offset, false))
}

/// Which bytes of a log of `size` bytes a tail call gives: start, count, overflow.
///
/// Odd where the request is: with more asked for than there is behind `offset`, the last `length`
/// bytes are given, even if they begin before it.
fn window(size: u64, offset: i64, length: i64) -> (u64, u64, bool) {
    let (size, mut offset, mut length) = (i128::from(size), i128::from(offset), i128::from(length));
    let overflow = size > offset + length;
    if overflow {
        offset = size - 1;
    }
    if offset + length > size {
        if offset > size - 1 {
            length = 0;
        }
        offset = size - length;
    }
    let (start, end) = (offset.max(0), offset.max(0) + length.max(0));
    // Beyond the limit the newest bytes count.
    let start = start.max(end.min(size) - i128::from(MOST));
    let number = |n: i128| u64::try_from(n).unwrap_or(0);
    (number(start), number(end - start), overflow)
}

/// Whether there is such a file, of whatever kind. Upstream: `os.path.exists`.
pub fn exists(file: &Path) -> bool {
    fs::metadata(file).is_ok()
}

/// A regular file with its size, or none for `/dev/null`, which is always empty.
fn open(path: &Path) -> io::Result<Option<(File, u64)>> {
    let meta = fs::metadata(path)?;
    if meta.file_type().is_char_device() && meta.rdev() == libc::makedev(1, 3) {
        return Ok(None);
    }
    if !meta.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // Should it have been replaced by a FIFO or terminal since, the open does not block.
    let file = guarded::open(path, How::Read)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(Some((file, meta.len())))
}

fn part(file: &mut File, start: u64, count: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let there = file.metadata()?.len().saturating_sub(start);
    let count = count.min(MOST);
    affordable(count.min(there))?;
    // A position that the file system cannot have is behind the end of any file.
    if file.seek(SeekFrom::Start(start)).is_ok() {
        file.take(count).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Whether there is memory for so many bytes of a log and for the answer that will hold them. Where
/// memory is limited a client that asks for much is refused: the daemon would end if it ran out.
fn affordable(bytes: u64) -> io::Result<()> {
    // What is small fits into what the heap has, or all is lost anyway.
    const SMALL: u64 = 1024 * 1024;
    if bytes <= SMALL {
        return Ok(());
    }
    // The bytes, and as XML, where some become longer.
    let needed = usize::try_from(bytes.saturating_mul(4)).unwrap_or(usize::MAX);
    // Not touched, so this costs two system calls.
    let got = Vec::<u8>::new().try_reserve_exact(std::hint::black_box(needed));
    got.map_err(|_| io::ErrorKind::OutOfMemory.into())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::testing;

    fn log(name: &str, content: &[u8]) -> (testing::Scratch, std::path::PathBuf) {
        let dir = testing::scratch(name);
        let file = dir.join("x.log");
        fs::write(&file, content).unwrap();
        (dir, file)
    }

    #[test]
    fn reads_follow_the_table_of_upstream() {
        let (_dir, file) = log("logs-read", b"0123456789\n");
        let bad = Err("BAD_ARGUMENTS".to_owned());
        for (offset, length, want) in [
            (0, 0, Ok("0123456789\n")),
            (0, 4, Ok("0123")),
            (2, 3, Ok("234")),
            (2, 0, Ok("23456789\n")),
            (-4, 0, Ok("789\n")),
            (-400, 0, Ok("0123456789\n")),
            (-4, 2, Err(())),
            (0, -1, Err(())),
            (5, -5, Err(())),
            (100, 0, Ok("")),
            (100, 5, Ok("")),
            (11, 0, Ok("")),
            (0, 1000, Ok("0123456789\n")),
            (i64::MAX, i64::MAX, Ok("")),
            (i64::MIN, 0, Ok("0123456789\n")),
            (i64::MIN, i64::MIN, Err(())),
        ] {
            let got = read(&file, offset, length).map_err(|f| f.text);
            let want = want.map(str::to_owned).or(bad.clone());
            assert_eq!(got, want, "{offset} {length}");
        }
    }

    #[test]
    fn tails_follow_the_table_of_upstream() {
        let (_dir, file) = log("logs-tail", b"0123456789");
        for (offset, length, text, overflow) in [
            (0, 0, "", true),
            (0, 5, "56789", true),
            (0, 10, "0123456789", false),
            (0, 100, "0123456789", false),
            (5, 5, "56789", false),
            (5, 100, "0123456789", false),
            (8, 20, "0123456789", false),
            (9, 1, "9", false),
            (10, 10, "", false),
            (50, 10, "", false),
            (0, 9, "123456789", true),
            (-5, 5, "56789", true),
            (2, -1, "", true),
            (i64::MAX, i64::MAX, "", false),
            (i64::MIN, i64::MIN, "", true),
            (0, i64::MAX, "0123456789", false),
        ] {
            let want = Value::Array(vec![text.into(), Value::Int(10), overflow.into()]);
            assert_eq!(tail(&file, offset, length), want, "{offset} {length}");
        }
    }

    #[test]
    fn undecodable_bytes_are_replaced() {
        let (_dir, file) = log("logs-utf8", "aé\u{2603}".as_bytes());
        assert_eq!(read(&file, 2, 0).unwrap(), "\u{fffd}\u{2603}");
        assert_eq!(read(&file, 0, 2).unwrap(), "a\u{fffd}");
        assert_eq!(tail(&file, 0, 1).as_array().unwrap()[0], "\u{fffd}".into());
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = testing::scratch("logs-kinds");
        let fifo = dir.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for file in [fifo.as_path(), &*dir, &dir.join("missing"), Path::new("/dev/zero")] {
            assert_eq!(read(file, 0, 0).unwrap_err().text, "FAILED", "{}", file.display());
            // As upstream, what cannot be opened wins over bad numbers.
            assert_eq!(read(file, -1, 1).unwrap_err().text, "FAILED");
            let want = Value::Array(vec!["".into(), Value::Int(7), false.into()]);
            assert_eq!(tail(file, 7, 3), want);
        }
        assert_eq!(read(Path::new("/dev/null"), 0, 0).unwrap(), "");
        let want = Value::Array(vec!["".into(), Value::Int(0), false.into()]);
        assert_eq!(tail(Path::new("/dev/null"), 7, 3), want);
    }

    #[test]
    fn an_answer_is_bounded_and_a_tail_keeps_the_newest() {
        let (_dir, file) = log("logs-bound", b"");
        let sparse = fs::OpenOptions::new().write(true).open(&file).unwrap();
        sparse.set_len(MOST + 10).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", MOST + 7).unwrap();
        let head = read(&file, 5, 0).unwrap();
        assert_eq!((head.len() as u64, head.ends_with('\0')), (MOST, true));
        let last = read(&file, i64::MIN, 0).unwrap();
        assert_eq!((last.len() as u64, last.ends_with("end")), (MOST, true));
        let (start, count, _) = window(MOST + 10, 0, i64::MAX);
        assert_eq!((start, start + count >= MOST + 10), (10, true));
    }
}

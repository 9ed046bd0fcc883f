//! What a sink promises, with real files.

use super::*;
use crate::pump::rotate::backup;
use crate::pump::testing::{Bench, TempDir};
use proptest::prelude::*;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

impl Bench {
    fn sink(&mut self, path: &Path) -> Sink {
        Sink::new(path.to_owned(), "'w' stdout".into(), None, &mut self.ctx())
    }
}

const OFF: Limits = Limits { maxbytes: 0, backups: 0 };

fn fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
}

/// Sizes of `w`, `w.1` and so on.
fn sizes(path: &Path) -> Vec<usize> {
    let mut all = vec![fs::metadata(path).unwrap().len() as usize];
    all.extend((1..).map_while(|n| fs::metadata(backup(path, n)).ok().map(|m| m.len() as usize)));
    all
}

/// What is in the files, oldest first.
fn content(path: &Path) -> Vec<u8> {
    let mut files: Vec<_> = (1..).map(|n| backup(path, n)).take_while(|p| p.exists()).collect();
    files.reverse();
    files.push(path.to_owned());
    files.iter().flat_map(|p| fs::read(p).unwrap()).collect()
}

#[test]
fn only_a_file_that_works_is_lent_and_no_more_than_it_has_room_for() {
    let dir = TempDir::new();
    let (mut bench, path) = (Bench::new(), dir.join("w"));
    fs::write(&path, "before").unwrap();
    let mut sink = bench.sink(&path);
    let limits = Limits { maxbytes: 100, backups: 1 };
    let room = |sink: &Sink, max| sink.lend(max, Mono(1)).map(|(_, _, room)| room);
    assert_eq!(room(&sink, 100), Some(0), "what the file holds is not known yet");
    assert_eq!(room(&sink, 0), Some(u64::MAX));
    sink.write(&[b'x'; 60], limits, &mut bench.ctx());
    assert_eq!(room(&sink, 100), Some(34));
    sink.lend(100, Mono(1)).unwrap().0.write_all(&[b'y'; 40]).unwrap();
    sink.write(b"", limits, &mut bench.ctx());
    assert_eq!(sizes(&path), [0, 106], "rotated when the borrower is done");

    let pipe = dir.join("fifo");
    fifo(&pipe);
    let _reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    assert_eq!(room(&bench.sink(&pipe), 0), None);
    assert_eq!(room(&bench.sink(&dir.join("no/file")), 0), None);
}

#[test]
fn rotation_comes_after_the_write_that_reaches_the_limit() {
    for (writes, backups, want) in [
        (&[112, 112, 112, 5][..], 2, &[5, 112, 112][..]),
        (&[99], 2, &[99]),
        (&[100], 2, &[0, 100]),
        (&[60, 60, 60, 60, 60], 1, &[60, 120]),
        (&[220, 6], 0, &[6]),
        (&[100], 0, &[0]),
    ] {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let path = dir.join("w");
        let mut sink = bench.sink(&path);
        for n in writes {
            let limits = Limits { maxbytes: 100, backups };
            sink.write(&vec![b'x'; *n], limits, &mut bench.ctx());
        }
        assert_eq!(sizes(&path), want, "{writes:?} {backups}");
    }
}

#[test]
fn rotation_goes_by_the_real_size_of_the_file() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    fs::write(&path, [b'o'; 95]).unwrap();
    let limits = Limits { maxbytes: 100, backups: 1 };
    let mut sink = bench.sink(&path);
    sink.write(b"12345", limits, &mut bench.ctx());
    assert_eq!(sizes(&path), [0, 100], "what was there before counts");
    sink.write(&[b'x'; 90], limits, &mut bench.ctx());
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    sink.write(&[b'y'; 90], limits, &mut bench.ctx());
    assert_eq!(fs::read(&path).unwrap(), [b'y'; 90], "a truncated file has no hole");
    sink.write(&[b'z'; 10], limits, &mut bench.ctx());
    assert_eq!(sizes(&path), [0, 100]);
}

#[test]
fn rotated_files_keep_the_mode_of_the_log() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut sink = bench.sink(&path);
    sink.write(b"abc", Limits { maxbytes: 1, backups: 1 }, &mut bench.ctx());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_moved_file_is_written_on_until_reopen() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let (path, moved) = (dir.join("w"), dir.join("moved"));
    let mut sink = bench.sink(&path);
    sink.write(b"one", OFF, &mut bench.ctx());
    fs::rename(&path, &moved).unwrap();
    sink.write(b"two", OFF, &mut bench.ctx());
    sink.reopen(&mut bench.ctx());
    assert!(sink.is_on_its_file());
    sink.write(b"three", OFF, &mut bench.ctx());
    assert_eq!(fs::read(&moved).unwrap(), b"onetwo");
    assert_eq!(fs::read(&path).unwrap(), b"three");
}

#[test]
fn a_file_is_closed_when_it_was_not_written_to_and_opened_for_the_next_bytes() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    let mut sink = bench.sink(&path);
    sink.rest_if_unused();
    assert!(sink.is_resting() && !sink.is_awake() && path.exists());
    let limits = Limits { maxbytes: 8, backups: 1 };
    sink.write(b"one", limits, &mut bench.ctx());
    assert!(sink.is_awake() && !sink.is_resting());
    sink.rest_if_unused();
    assert!(sink.is_awake(), "written to since the last time");
    sink.rest_if_unused();
    assert!(sink.is_resting());
    assert!(sink.lend(0, bench.now).is_none());
    sink.write(b"", limits, &mut bench.ctx());
    assert!(sink.is_resting(), "nothing to write");
    sink.write(b"three", limits, &mut bench.ctx());
    assert_eq!(sizes(&path), [0, 8], "rotated by all that is in it");
}

#[test]
fn only_a_plain_file_that_works_is_closed() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let pipe = dir.join("fifo");
    fifo(&pipe);
    let _reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let mut sink = bench.sink(&pipe);
    sink.rest();
    assert!(!sink.is_resting());
    let mut sink = bench.sink(&dir.join("no/file"));
    sink.rest();
    assert!(!sink.is_resting());
}

#[test]
fn a_closed_log_whose_folder_is_gone_is_made_when_there_is_one_and_nothing_is_lost() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let (folder, path) = (dir.join("f"), dir.join("f/w"));
    fs::create_dir(&folder).unwrap();
    let mut sink = bench.sink(&path);
    sink.write(b"one", OFF, &mut bench.ctx());
    sink.rest();
    fs::remove_dir_all(&folder).unwrap();
    sink.write(b"two", OFF, &mut bench.ctx());
    assert!(!sink.is_resting() && !sink.is_awake());
    assert_eq!(bench.notes.len(), 1);
    assert!(bench.notes[0].contains("cannot open") && bench.notes[0].contains("ENOENT"));
    fs::create_dir(&folder).unwrap();
    bench.later(10);
    sink.write(b"three", OFF, &mut bench.ctx());
    assert_eq!(fs::read(&path).unwrap(), b"twothree");
    assert_eq!((bench.lost(), bench.notes.len()), (0, 2));
}

#[test]
fn a_closed_log_is_made_anew_by_reopen_and_clear_and_stays_closed() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let (path, moved) = (dir.join("w"), dir.join("moved"));
    let mut sink = bench.sink(&path);
    sink.write(b"one", OFF, &mut bench.ctx());
    sink.rest();
    fs::rename(&path, &moved).unwrap();
    sink.reopen(&mut bench.ctx());
    assert!(sink.is_on_its_file());
    assert!(sink.is_resting() && path.exists());
    sink.write(b"two", OFF, &mut bench.ctx());
    assert_eq!(fs::read(&path).unwrap(), b"two");
    sink.rest();
    assert!(sink.clear(true, &mut bench.ctx()).is_ok());
    assert!(sink.is_resting());
    assert_eq!(fs::read(&path).unwrap(), b"");
    sink.write(b"three", OFF, &mut bench.ctx());
    assert_eq!(fs::read(&path).unwrap(), b"three");
    assert_eq!(fs::read(&moved).unwrap(), b"one");
}

#[test]
fn a_closed_log_that_cannot_be_made_anew_goes_on_in_its_file() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let (path, moved) = (dir.join("w"), dir.join("moved"));
    let mut sink = bench.sink(&path);
    sink.write(b"one", OFF, &mut bench.ctx());
    sink.rest();
    fs::rename(&path, &moved).unwrap();
    fs::create_dir(&path).unwrap();
    sink.reopen(&mut bench.ctx());
    assert!(!sink.is_on_its_file());
    sink.write(b"two", OFF, &mut bench.ctx());
    // Where files cannot be opened by handle, the rest is kept for the new one.
    let by_handle = fs::read(&moved).unwrap() == b"onetwo";
    assert!(by_handle || fs::read(&moved).unwrap() == b"one");
    assert!(!sink.may_rest(), "nothing to wait for but a write");
    fs::remove_dir(&path).unwrap();
    bench.later(6);
    sink.write(b"three", OFF, &mut bench.ctx());
    let rest: &[u8] = if by_handle { b"three" } else { b"twothree" };
    assert_eq!((fs::read(&path).unwrap().as_slice(), bench.lost()), (rest, 0));
    assert!(sink.may_rest());
}

#[test]
fn a_log_on_a_full_disk_may_be_closed_and_does_not_claim_to_work() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    let mut sink = bench.sink(&path);
    sink.write(b"one", OFF, &mut bench.ctx());
    // As if the write had failed, with nothing kept.
    sink.fail(&io::Error::from(Errno::ENOSPC), b"", &mut bench.ctx());
    sink.rest();
    assert!(!sink.is_awake() && !sink.is_resting());
    bench.later(1);
    sink.retry(&mut bench.ctx());
    assert_eq!((bench.notes.len(), sink.is_awake()), (1, true), "{:?}", bench.notes);
    sink.write(b"two", OFF, &mut bench.ctx());
    assert_eq!(bench.notes.len(), 2);
    assert_eq!(fs::read(&path).unwrap(), b"onetwo");
}

#[test]
fn a_lent_log_stays_open_and_is_rotated_when_it_is_back() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    let limits = Limits { maxbytes: 10, backups: 1 };
    let mut sink = bench.sink(&path);
    sink.write(b"12345", limits, &mut bench.ctx());
    let (mut file, at, room) = sink.lend(10, bench.now).unwrap();
    assert_eq!((at, room), (5, 5));
    file.write_all(b"67890").unwrap();
    sink.rest();
    drop(file);
    sink.write(b"", limits, &mut bench.ctx());
    assert_eq!(sizes(&path), [0, 10]);
    sink.rest();
    assert!(sink.is_resting());
}

#[test]
fn a_closed_log_stays_closed_when_its_program_starts_again() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    let mut sink = bench.sink(&path);
    let start = |sink: &mut Sink, bench: &mut Bench| {
        let file = target::open_for_spawn(&path).unwrap().and_then(Target::adopt);
        sink.adopt("'w' stdout".into(), file, &mut bench.ctx());
    };
    sink.rest();
    start(&mut sink, &mut bench);
    assert!(sink.is_resting());
    fs::rename(&path, dir.join("moved")).unwrap();
    start(&mut sink, &mut bench);
    sink.write(b"new", OFF, &mut bench.ctx());
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_log_opened_anew_for_a_restart_is_taken_over_with_the_rest() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    let mut sink = bench.sink(&path);
    fs::rename(&path, dir.join("moved")).unwrap();
    let file = target::open_for_spawn(&path).unwrap().and_then(Target::adopt);
    sink.adopt("'w' stdout".into(), file, &mut bench.ctx());
    sink.write(b"new", OFF, &mut bench.ctx());
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_full_disk_is_told_once_and_the_loss_at_the_end() {
    // /dev/full is always a full disk; the link makes it a disk that gets free again.
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut sink = bench.sink(&path);
    for _ in 0..3 {
        sink.write(&[b'x'; 100_000], OFF, &mut bench.ctx());
        bench.later(1);
        sink.tick(&mut bench.ctx());
    }
    assert_eq!(
        bench.notes,
        [format!("'w' stdout: cannot write to {} (ENOSPC), trying again", path.display())]
    );
    assert!(sink.deadline().is_some());
    fs::remove_file(&path).unwrap();
    sink.reopen(&mut bench.ctx());
    sink.write(b"after", OFF, &mut bench.ctx());
    let lost = 300_000 - KEEP as u64;
    assert_eq!(bench.lost(), lost);
    assert_eq!(bench.notes.len(), 2);
    assert_eq!(
        bench.notes[1],
        format!("'w' stdout: {} works again after ENOSPC, {lost} bytes were lost", path.display())
    );
    assert_eq!(fs::read(&path).unwrap().len(), KEEP + 5);
    assert_eq!(bench.spare, 1 << 20);
    assert_eq!(sink.deadline(), None);
}

#[test]
fn a_loss_soon_after_another_is_told_a_little_later() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    let mut sink = bench.sink(&path);
    for _ in 0..2 {
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        sink.reopen(&mut bench.ctx());
        sink.write(&[b'x'; KEEP + 10], OFF, &mut bench.ctx());
        fs::remove_file(&path).unwrap();
        sink.reopen(&mut bench.ctx());
    }
    assert_eq!(bench.notes.len(), 2, "the second trouble came too soon: {:?}", bench.notes);
    assert!(sink.deadline().is_some());
    bench.later(11);
    sink.tick(&mut bench.ctx());
    assert!(bench.notes[2].ends_with("works again after ENOSPC, 10 bytes were lost"));
    assert_eq!((bench.lost(), sink.deadline()), (20, None));
}

#[test]
fn a_folder_that_vanished_is_waited_for() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let folder = dir.join("logs");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("w");
    let mut sink = bench.sink(&path);
    fs::remove_dir_all(&folder).unwrap();
    sink.reopen(&mut bench.ctx());
    assert!(!sink.is_on_its_file());
    assert!(bench.notes[0].contains("cannot open") && bench.notes[0].contains("ENOENT"));
    sink.write(b"kept", OFF, &mut bench.ctx());
    fs::create_dir(&folder).unwrap();
    bench.later(9);
    sink.tick(&mut bench.ctx());
    assert_eq!(fs::read(&path).unwrap(), b"kept");
    assert!(bench.notes[1].contains("0 bytes were lost"));
}

#[test]
fn a_reopen_that_fails_leaves_a_file_that_has_a_name() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let (path, moved) = (dir.join("w"), dir.join("moved"));
    let mut sink = bench.sink(&path);
    fs::rename(&path, &moved).unwrap();
    fs::create_dir(&path).unwrap();
    sink.reopen(&mut bench.ctx());
    assert!(!sink.is_on_its_file());
    sink.write(b"one", OFF, &mut bench.ctx());
    assert_eq!(fs::read(&moved).unwrap(), b"one");
    fs::remove_dir(&path).unwrap();
    bench.later(9);
    sink.write(b"two", OFF, &mut bench.ctx());
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(bench.lost(), 0);
}

#[test]
fn a_rotation_that_cannot_rename_goes_on_in_the_same_file() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    fs::create_dir(dir.join("w.1")).unwrap();
    let mut sink = bench.sink(&path);
    let limits = Limits { maxbytes: 4, backups: 1 };
    for _ in 0..3 {
        sink.write(b"12345", limits, &mut bench.ctx());
    }
    assert_eq!(fs::read(&path).unwrap().len(), 15);
    assert_eq!(bench.notes.len(), 1, "{:?}", bench.notes);
    fs::remove_dir(dir.join("w.1")).unwrap();
    bench.later(11);
    sink.write(b"6", limits, &mut bench.ctx());
    assert_eq!(sizes(&path), [0, 16]);
}

#[test]
fn a_fifo_without_a_reader_loses_and_says_how_much() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    fifo(&path);
    let mut sink = bench.sink(&path);
    sink.write(b"12345", OFF, &mut bench.ctx());
    assert_eq!((bench.lost(), sink.deadline()), (5, None), "nothing to wait for");
    let mut reader = target_reader(&path);
    bench.later(9);
    sink.write(b"abc", OFF, &mut bench.ctx());
    let mut got = [0; 9];
    let n = reader.read(&mut got).unwrap();
    assert_eq!(&got[..n], b"abc");
    assert!(bench.notes[0].contains("ENXIO") && bench.notes[1].contains("5 bytes were lost"));
    drop(reader);
    sink.write(b"gone", OFF, &mut bench.ctx());
    assert_eq!(bench.lost(), 9);
}

fn target_reader(path: &Path) -> fs::File {
    use std::os::unix::fs::OpenOptionsExt;
    fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
}

#[test]
fn a_slow_reader_gets_everything_and_a_stuck_one_stops_nobody() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    fifo(&path);
    let mut reader = target_reader(&path);
    let mut sink = bench.sink(&path);
    let piece: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
    sink.write(&piece, OFF, &mut bench.ctx());
    assert!(sink.blocked().is_some() && !sink.is_slow());
    sink.write(&piece, OFF, &mut bench.ctx());
    assert!(sink.is_slow());
    let mut got = Vec::new();
    while got.len() < 2 * piece.len() {
        let mut buf = [0; 9999];
        let n = reader.read(&mut buf).unwrap();
        got.extend_from_slice(&buf[..n]);
        sink.writable(&mut bench.ctx());
    }
    assert!(got == [&piece[..], &piece[..]].concat());
    assert!(sink.blocked().is_none() && bench.notes.is_empty() && bench.lost() == 0);

    for _ in 0..5 {
        sink.write(&piece, OFF, &mut bench.ctx());
    }
    assert!(sink.is_slow() && bench.lost() > 0);
    bench.now = sink.deadline().unwrap();
    sink.tick(&mut bench.ctx());
    assert!(!sink.is_slow() && sink.deadline().is_none());
    assert!(bench.notes[0].contains("EAGAIN"));
    while sink.blocked().is_some() {
        let _ = reader.read(&mut [0; 65536]).unwrap();
        sink.writable(&mut bench.ctx());
    }
    assert!(bench.notes[1].contains("works again"), "{:?}", bench.notes);
}

#[test]
fn clear_makes_a_new_file_and_leaves_devices_alone() {
    let (dir, mut bench) = (TempDir::new(), Bench::new());
    let path = dir.join("w");
    let mut sink = bench.sink(&path);
    sink.write(b"old", OFF, &mut bench.ctx());
    assert!(sink.clear(true, &mut bench.ctx()).is_ok());
    sink.write(b"new", OFF, &mut bench.ctx());
    assert_eq!(fs::read(&path).unwrap(), b"new");
    fs::remove_file(&path).unwrap();
    assert!(sink.clear(false, &mut bench.ctx()).is_err());
    assert!(sink.clear(true, &mut bench.ctx()).is_ok() && path.exists());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(sink.clear(true, &mut bench.ctx()).is_err());
    let pipe = dir.join("fifo");
    fifo(&pipe);
    let _reader = target_reader(&pipe);
    assert!(bench.sink(&pipe).clear(true, &mut bench.ctx()).is_ok() && pipe.exists());
}

#[derive(Debug, Clone)]
enum Deed {
    Write(usize),
    Reopen,
    Break,
    Mend,
    Later,
    Rest,
    Restart,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        6 => (0usize..70_000).prop_map(Deed::Write),
        1 => Just(Deed::Reopen),
        1 => Just(Deed::Break),
        2 => Just(Deed::Mend),
        2 => Just(Deed::Later),
        3 => Just(Deed::Rest),
        1 => Just(Deed::Restart),
    ];
    prop::collection::vec(deed, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_byte_is_in_the_files_in_order_or_counted_as_lost(
        deeds in deeds(), maxbytes in 0i64..100_000,
    ) {
        let (dir, mut bench) = (TempDir::new(), Bench::new());
        let (folder, away) = (dir.join("logs"), dir.join("away"));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("w");
        let mut sink = bench.sink(&path);
        let limits = Limits { maxbytes, backups: 1000 };
        let mut sent: u32 = 0;
        for deed in deeds {
            match deed {
                Deed::Write(n) => {
                    // Words of four bytes, so that order and place can be checked.
                    let words = n as u32 / 4;
                    let data: Vec<u8> =
                        (sent..sent + words).flat_map(u32::to_le_bytes).collect();
                    sink.write(&data, limits, &mut bench.ctx());
                    sent += words;
                }
                Deed::Reopen => sink.reopen(&mut bench.ctx()),
                Deed::Rest => sink.rest(),
                Deed::Restart => {
                    let file = target::open_for_spawn(&path).ok().flatten();
                    let file = file.and_then(Target::adopt);
                    sink.adopt("'w' stdout".into(), file, &mut bench.ctx());
                }
                Deed::Break => _ = fs::rename(&folder, &away),
                Deed::Mend => _ = fs::rename(&away, &folder),
                Deed::Later => {
                    bench.later(6);
                    sink.tick(&mut bench.ctx());
                }
            }
        }
        let _ = fs::rename(&away, &folder);
        bench.later(6);
        sink.tick(&mut bench.ctx());
        sink.abandon(&mut bench.ctx());
        let got = content(&path);
        prop_assert_eq!(got.len() as u64 + bench.lost(), u64::from(sent) * 4);
        prop_assert_eq!(bench.spare, 1 << 20);
        let words: Vec<u32> = got
            .chunks(4)
            .map(|c| u32::from_le_bytes(c.try_into().unwrap_or([0xff; 4])))
            .collect();
        if bench.lost() == 0 {
            prop_assert!(words.iter().copied().eq(0..sent));
        }
        prop_assert!(words.is_sorted() && words.windows(2).all(|w| w[0] != w[1]));
    }
}

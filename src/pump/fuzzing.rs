//! A door for the fuzz targets in `fuzz/`, which are another crate: what reads the output of children,
//! as plain functions. No part of the daemon calls them, and they promise nothing.

use super::capture::{Capture, Part};
use super::strip_ansi::Stripper;

/// The text without its escape sequences, when it comes in these pieces.
pub fn strip<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stripper = Stripper::default();
    let mut out = Vec::new();
    pieces.for_each(|piece| stripper.feed(piece, &mut out));
    stripper.finish(&mut out);
    out
}

/// Log text and finished blocks of an output that comes in these pieces, and whether a block is
/// open at its end. Blocks are cut to `limit` bytes.
pub fn capture<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    limit: usize,
) -> (Vec<u8>, Vec<Vec<u8>>, bool) {
    let (mut text, mut blocks) = (Vec::new(), Vec::new());
    let mut each = |capture: &mut Capture, part: Part<'_>| match part {
        Part::Text(bytes) => text.extend_from_slice(bytes),
        Part::Inside(bytes) => capture.keep(bytes),
        Part::Begin => {}
        Part::End => blocks.push(capture.take()),
    };
    let mut capture = Capture::new(limit);
    pieces.for_each(|piece| capture.feed(piece, &mut each));
    capture.finish(&mut each);
    let open = capture.is_inside();
    (text, blocks, open)
}

//! Maps of sparse files: checked once, trusted afterwards.

use super::Piece;
use super::header::number;
use super::pax::decimal;

/// More pieces than this are refused: a map is held in memory.
pub(super) const MOST_PIECES: usize = 1 << 16;

const MALFORMED: &str = "has a malformed sparse map";

/// The pieces in the 24-byte places of an old GNU header or its continuation.
/// An empty place ends the list. `None` if a number is malformed.
pub(super) fn places(bytes: &[u8]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    for place in bytes.as_chunks::<24>().0 {
        if place[0] == 0 || place[12] == 0 {
            break;
        }
        let field = |field| number(field).and_then(|value| u64::try_from(value).ok());
        pieces.push(Piece { offset: field(&place[..12])?, length: field(&place[12..])? });
    }
    Some(pieces)
}

/// The comma-separated numbers of `GNU.sparse.map`, an offset and a length in turn.
pub(super) fn list(text: &[u8]) -> Option<Vec<Piece>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let numbers: Vec<u64> = text.split(|&byte| byte == b',').map(decimal).collect::<Option<_>>()?;
    pairs(&numbers)
}

/// The first line of a format 1.0 map: how many pieces follow. `None` before it is whole.
pub(super) fn count(text: &[u8]) -> Result<Option<usize>, &'static str> {
    let Some(end) = text.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
    let count = decimal(&text[..end]).ok_or(MALFORMED)?;
    match usize::try_from(count) {
        Ok(count) if count <= MOST_PIECES => Ok(Some(count)),
        _ => Err("has a sparse map with too many pieces"),
    }
}

/// All lines of a format 1.0 map: the count, then an offset and a length in turn.
pub(super) fn lines(text: &[u8]) -> Result<Vec<Piece>, &'static str> {
    let count = count(text)?.ok_or(MALFORMED)?;
    let lines = text.split(|&byte| byte == b'\n').skip(1).take(count * 2);
    let numbers: Vec<u64> = lines.map(decimal).collect::<Option<_>>().ok_or(MALFORMED)?;
    pairs(&numbers).filter(|pieces| pieces.len() == count).ok_or(MALFORMED)
}

fn pairs(numbers: &[u64]) -> Option<Vec<Piece>> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    let pieces = pairs.iter().map(|&[offset, length]| Piece { offset, length }).collect();
    rest.is_empty().then_some(pieces)
}

/// Whether the pieces ascend, stay apart, end inside `length`, and hold `content` bytes.
pub(super) fn is_sound(pieces: &[Piece], length: u64, content: u64) -> bool {
    let (mut end, mut sum) = (0_u64, 0_u64);
    for piece in pieces {
        let Some(after) = piece.offset.checked_add(piece.length) else { return false };
        if piece.offset < end || after > length {
            return false;
        }
        end = after;
        // Can't overflow: the pieces lie apart below `length`.
        sum += piece.length;
    }
    pieces.len() <= MOST_PIECES && sum == content
}

//! Definition levels: 1 for a value, 0 for a null. A column without nulls may still have them.

use super::fault::{Checked, Problem, wrong};
use super::header::{Header, Kind};
use super::hybrid::{Hybrid, Run};
use super::packed::one;

/// Check that a page has no nulls; returns where its values start. The first null is counted from the first
/// row of the page.
pub fn pass(page: &[u8], header: &Header, nullable: bool) -> Checked<usize> {
    let start = match header.kind {
        Kind::DataV2 { levels, .. } if nullable => {
            first_null(page.get(..levels).unwrap_or_default(), header.values)?;
            return Ok(levels);
        }
        Kind::DataV2 { levels: 1.., .. } => return wrong("levels in a column without nulls"),
        _ if !nullable => return Ok(0),
        Kind::Data { hybrid_levels: true } => 4,
        _ => return wrong("levels of another encoding"),
    };
    // The first format stores their length before them.
    let length = page.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    let levels = length.and_then(|length| page.get(start..)?.get(..length));
    let Some(levels) = levels else {
        return wrong("levels longer than their page");
    };
    first_null(levels, header.values)?;
    Ok(start + levels.len())
}

fn first_null(levels: &[u8], count: usize) -> Checked<()> {
    let mut hybrid = Hybrid::new(0, 1)?;
    let mut row = 0;
    while row < count {
        let (run, n) = hybrid.step(levels, count - row)?;
        let null = match run {
            Run::Repeat(1) => None,
            Run::Repeat(0) => Some(0),
            Run::Repeat(_) => return wrong("a level that cannot be"),
            Run::Packed { start, taken } => {
                let packed = levels.get(start..).unwrap_or_default();
                (0..n).find(|&at| one(packed, 1, taken + at) == 0)
            }
        };
        if let Some(at) = null {
            return Err(Problem::Null((row + at) as u64));
        }
        row += n;
    }
    if count > 0 && !hybrid.is_last(levels) {
        return wrong("bytes after the last level");
    }
    Ok(())
}

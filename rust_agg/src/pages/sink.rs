//! Where decoded values go: row by row, or as runs.

use super::fault::{Checked, wrong};
use super::runs::Runs;

/// Takes the values of a column in turn.
pub trait Sink<T> {
    /// Take `count` times the same value; there is room for them.
    fn repeat(&mut self, value: T, count: usize);
    /// Take up to `most` values that `decode` puts into a slice, as many as it says; none where the sink is
    /// not one.
    fn short(&mut self, _most: usize, _decode: impl FnOnce(&mut [T]) -> Checked<usize>) -> Checked<usize> {
        Ok(0)
    }
    /// Take `count` values that `decode` puts into a slice.
    fn slice(&mut self, count: usize, decode: impl FnOnce(&mut [T]) -> Checked<()>) -> Checked<()>;
}

/// One value per row.
pub struct Dense<'a, T> {
    out: &'a mut [T],
    at: usize,
}

impl<'a, T> Dense<'a, T> {
    pub fn new(out: &'a mut [T]) -> Self {
        Self { out, at: 0 }
    }
}

impl<T: Copy> Sink<T> for Dense<'_, T> {
    #[inline]
    fn repeat(&mut self, value: T, count: usize) {
        if let Some(out) = self.out.get_mut(self.at..self.at + count) {
            // Most runs are short: eights and a last eight that may overlap are quicker than a call of
            // memset.
            let (eights, rest) = out.as_chunks_mut();
            eights.fill([value; 8]);
            if eights.is_empty() {
                rest.fill(value);
            } else if let Some(last) = out.last_chunk_mut() {
                *last = [value; 8];
            }
        }
        self.at += count;
    }

    #[inline]
    fn short(&mut self, most: usize, decode: impl FnOnce(&mut [T]) -> Checked<usize>) -> Checked<usize> {
        let Some(out) = self.out.get_mut(self.at..self.at + most) else {
            return wrong("more values than rows");
        };
        let count = decode(out)?;
        self.at += count;
        Ok(count)
    }

    #[inline]
    fn slice(&mut self, count: usize, decode: impl FnOnce(&mut [T]) -> Checked<()>) -> Checked<()> {
        let Some(out) = self.out.get_mut(self.at..self.at + count) else {
            return wrong("more values than rows");
        };
        self.at += count;
        decode(out)
    }
}

/// Runs, also where equal values were stored one by one.
pub struct Merged<'a, T> {
    runs: &'a mut Runs<T>,
    scratch: &'a mut Vec<T>,
}

impl<'a, T> Merged<'a, T> {
    pub fn new(runs: &'a mut Runs<T>, scratch: &'a mut Vec<T>) -> Self {
        Self { runs, scratch }
    }
}

impl<T: Copy + Default + PartialEq> Sink<T> for Merged<'_, T> {
    #[inline]
    fn repeat(&mut self, value: T, count: usize) {
        self.runs.push(value, in_block(count));
    }

    fn slice(&mut self, count: usize, decode: impl FnOnce(&mut [T]) -> Checked<()>) -> Checked<()> {
        self.scratch.resize(count, T::default());
        decode(self.scratch)?;
        for same in self.scratch.chunk_by(PartialEq::eq) {
            self.runs.push(same[0], in_block(same.len()));
        }
        Ok(())
    }
}

/// A block has fewer than 2³² rows.
fn in_block(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

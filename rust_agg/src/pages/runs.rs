//! Columns whose values stand in long runs, as the runs they are stored as.

use std::iter::{once, repeat_n};
use std::ops::Range;

/// Equal values that stand together: `values[i]` up to row `ends[i]`, which does not belong to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs<T> {
    /// The value of each run; neighbours differ.
    pub values: Vec<T>,
    /// The row after each run.
    pub ends: Vec<u32>,
}

impl<T: Copy + PartialEq> Runs<T> {
    /// Forget all runs.
    pub fn clear(&mut self) {
        self.values.clear();
        self.ends.clear();
    }

    /// Add `count` rows (a block has fewer than 2³²).
    #[inline]
    pub fn push(&mut self, value: T, count: u32) {
        let end = self.ends.last().copied().unwrap_or(0) + count;
        if self.values.last() == Some(&value)
            && let Some(last) = self.ends.last_mut()
        {
            *last = end;
        } else if count > 0 {
            self.values.push(value);
            self.ends.push(end);
        }
    }

    /// Each value with its rows.
    pub fn iter(&self) -> impl Iterator<Item = (T, Range<usize>)> + '_ {
        let starts = once(0).chain(self.ends.iter().copied());
        let rows = starts.zip(&self.ends).map(|(start, &end)| start as usize..end as usize);
        self.values.iter().copied().zip(rows)
    }

    /// One value per row.
    #[must_use]
    pub fn dense(&self) -> Vec<T> {
        self.iter().flat_map(|(value, rows)| repeat_n(value, rows.len())).collect()
    }
}

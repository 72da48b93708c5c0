//! The tails of a batch of paths, and how far a draft goes on in each.

#![allow(clippy::cast_possible_truncation, reason = "rows of a batch are fewer than 2³²")]

use std::ops::Range;

use super::paths::Path;

/// No stop in a tail.
const NOWHERE: u32 = u32::MAX;

/// Tails of a batch, one after the other, in the order of the paths' rows.
#[derive(Clone, Debug, Default)]
pub struct Tails {
    /// For each row of the paths, which tail begins after it, from 1; 0 for none.
    pub(super) at: Vec<u32>,
    /// Where each tail ends.
    pub(super) ends: Vec<u32>,
    /// Whether the last token of each ends a text.
    pub(super) final_eos: Vec<bool>,
    /// For each threshold: how many tokens the draft goes on for in each tail, if it may.
    stops: Vec<Vec<u32>>,
    /// The tokens of all tails.
    pub token: Vec<u32>,
    /// Their q.
    pub q: Vec<f32>,
    /// Their p; 0 where it was not computed.
    pub p: Vec<f32>,
    /// Where that is; empty where it was computed everywhere.
    pub(super) lacks_p: Vec<bool>,
}

/// What a draft went on with after a rejection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discarded {
    /// Which tail of the batch.
    pub tail: usize,
    /// Rows of the tails.
    pub rows: Range<usize>,
    /// Whether the last of them ends a text.
    pub ends_in_eos: bool,
}

impl Tails {
    /// Tokens of all tails.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.token.len()
    }

    /// Number of tails.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The tails of a path, and the rows of each.
    pub fn of(&self, path: &Path) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        let tails = self.at[path.rows.clone()].iter().filter_map(|tail| (*tail as usize).checked_sub(1));
        tails.map(|tail| (tail, self.rows(tail)))
    }

    #[inline]
    fn rows(&self, tail: usize) -> Range<usize> {
        let start = if tail == 0 { 0 } else { self.ends[tail - 1] };
        start as usize..self.ends[tail] as usize
    }

    /// Whether p was computed of any token.
    #[must_use]
    pub fn have_p(&self) -> bool {
        self.lacks_p.is_empty() || self.lacks_p.contains(&false)
    }

    /// Begin with no tails, for so many rows of paths and so many thresholds.
    pub fn begin(&mut self, n_path_rows: usize, n_thresholds: usize) {
        self.stops.resize_with(n_thresholds, Vec::new);
        self.at.clear();
        self.at.resize(n_path_rows, 0);
        self.ends.clear();
        self.final_eos.clear();
        self.token.clear();
        self.q.clear();
        self.p.clear();
        self.lacks_p.clear();
    }

    /// Whether p was not computed for some of these rows.
    #[inline]
    #[must_use]
    pub fn lack_p(&self, rows: &Range<usize>) -> bool {
        !self.lacks_p.is_empty() && self.lacks_p[rows.clone()].contains(&true)
    }

    /// What the draft goes on with after the rejected proposal of a row, where it may go on for `room` tokens and stops
    /// at the threshold of this index.
    ///
    /// # Errors
    /// The length of the tail that is there, 0 for none, where it is too short to tell.
    #[inline]
    pub fn discarded(&self, row: usize, room: u32, threshold: usize) -> std::result::Result<Discarded, u32> {
        let Some(tail) = (self.at[row] as usize).checked_sub(1) else { return Err(0) };
        let rows = self.rows(tail);
        let n = self.stops[threshold][tail].min(room) as usize;
        if n > rows.len() {
            return Err(rows.len() as u32);
        }
        let ends_in_eos = n == rows.len() && self.final_eos[tail];
        Ok(Discarded { tail, rows: rows.start..rows.start + n, ends_in_eos })
    }

    /// Find how far drafts go on at each threshold, once all tails are there.
    pub fn find_stops(&mut self, thresholds: &[f64]) {
        for (stops, threshold) in self.stops.iter_mut().zip(thresholds) {
            stops.clear();
            let mut start = 0;
            for (end, eos) in self.ends.iter().zip(&self.final_eos) {
                let q = &self.q[start..*end as usize];
                let below = q.iter().position(|q| f64::from(*q) < *threshold);
                let last = if *eos { q.len() as u32 } else { NOWHERE };
                stops.push(below.map_or(last, |at| at as u32 + 1));
                start = *end as usize;
            }
        }
    }
}

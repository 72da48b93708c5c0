//! The rows that a fold takes: what must hold for each, and how a row that breaks the contract is named.

use std::ops::Range;

use crate::cells::N_VERDICTS;
use crate::error::Fault;
use crate::pages::Block;

/// Largest entropy taken (nats). A distribution over 2³² tokens has at most 22.2; the limit keeps the sums exact.
pub const MAX_ENTROPY: f32 = 1024.0;

/// The columns of `traces` that a fold needs beside prompt and sample, all of one length; a column that its parts do not
/// need is empty.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of the columns")]
pub struct TraceColumns<'a> {
    pub position: &'a [u16],
    pub token: &'a [u32],
    pub p: &'a [f32],
    pub q: &'a [f32],
    pub overlap: &'a [f32],
    pub entropy: &'a [f32],
    pub verdict: &'a [u8],
}

/// The columns of `rounds` that a fold needs beside prompt and sample, all of one length.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of the columns")]
pub struct RoundColumns<'a> {
    pub requested: &'a [u16],
    pub emitted: &'a [u16],
    pub censored: &'a [u8],
}

impl TraceColumns<'_> {
    /// The same columns, from one row to another.
    #[inline(always)]
    #[must_use]
    pub fn slice(&self, rows: &Range<usize>) -> Self {
        Self {
            position: cut(self.position, rows),
            token: cut(self.token, rows),
            p: cut(self.p, rows),
            q: cut(self.q, rows),
            overlap: cut(self.overlap, rows),
            entropy: cut(self.entropy, rows),
            verdict: cut(self.verdict, rows),
        }
    }
}

impl Block {
    /// The columns that a fold needs, without prompt and sample.
    #[must_use]
    pub fn columns(&self) -> TraceColumns<'_> {
        TraceColumns {
            position: &self.position,
            token: &self.token,
            p: &self.p,
            q: &self.q,
            overlap: &self.overlap,
            entropy: &self.entropy,
            verdict: &self.verdict,
        }
    }
}

impl RoundColumns<'_> {
    /// The same columns, from one row to another.
    #[must_use]
    pub fn slice(&self, rows: &Range<usize>) -> Self {
        Self {
            requested: &self.requested[rows.clone()],
            emitted: &self.emitted[rows.clone()],
            censored: &self.censored[rows.clone()],
        }
    }
}

#[inline(always)]
fn cut<'a, T>(column: &'a [T], rows: &Range<usize>) -> &'a [T] {
    if column.is_empty() { column } else { &column[rows.clone()] }
}

/// Whether certainly no row breaks the contract: no position is 0, no p or q is NaN or outside [0, 1], no entropy is
/// negative, infinite or impossibly large, no verdict is unknown. Where it says no, [`first_fault`] decides.
#[inline(always)]
#[must_use]
pub fn are_fine(c: &TraceColumns<'_>) -> bool {
    let (p, q) = (exceeds(c.p, 1.0), exceeds(c.q, 1.0));
    // NaN is legal here, and 0.0 stands for it.
    let entropy = c.entropy.iter().map(|entropy| if entropy.is_nan() { 0.0 } else { *entropy });
    let entropy = entropy.fold(0, |exceeds, entropy| exceeds | exceeds_one(entropy, MAX_ENTROPY));
    let largest = c.verdict.iter().fold(0, |largest, verdict| largest.max(*verdict));
    let smallest = c.position.iter().fold(u16::MAX, |smallest, position| smallest.min(*position));
    (p | q | entropy) >> 31 == 0 && usize::from(largest) < N_VERDICTS && smallest >= 1
}

/// The sign bit is set where a value is outside [0, `limit`], NaN or −0.0. The bits of floats ≥ 0 rise with the floats,
/// so this is integer arithmetic, which every processor has for whole vectors.
#[inline(always)]
#[must_use]
pub fn exceeds(values: &[f32], limit: f32) -> u32 {
    values.iter().fold(0, |exceeds, value| exceeds | exceeds_one(*value, limit))
}

#[inline(always)]
fn exceeds_one(value: f32, limit: f32) -> u32 {
    let bits = value.to_bits();
    bits | limit.to_bits().wrapping_sub(bits)
}

/// The first row that breaks the contract, and in it the first column in the order of the schema.
#[must_use]
pub fn first_fault(c: &TraceColumns<'_>) -> Option<Fault> {
    (0..c.verdict.len()).find_map(|row| fault_of(c, row))
}

fn fault_of(c: &TraceColumns<'_>, row: usize) -> Option<Fault> {
    if c.position.get(row) == Some(&0) {
        return Some(Fault { row, column: "position", problem: "0, positions count from 1".into() });
    }
    for (column, values) in [("p", c.p), ("q", c.q)] {
        if let Some(Err(fault)) = values.get(row).map(|value| check_probability(row, column, *value)) {
            return Some(fault);
        }
    }
    if let Some(entropy) = c.entropy.get(row).filter(|entropy| **entropy < 0.0 || **entropy > MAX_ENTROPY) {
        let problem = format!("{entropy} is no entropy in nats (NaN where not computed)");
        return Some(Fault { row, column: "entropy", problem });
    }
    let verdict = c.verdict.get(row).filter(|verdict| usize::from(**verdict) >= N_VERDICTS)?;
    let problem = format!("{verdict} is no verdict (0 rejected, 1 accepted, 2 discarded)");
    Some(Fault { row, column: "verdict", problem })
}

/// A fault where `value` is no probability.
///
/// # Errors
/// That fault.
pub fn check_probability(row: usize, column: &'static str, value: f32) -> Result<(), Fault> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(Fault { row, column, problem: format!("{value} is no probability between 0 and 1") })
}

/// A fault where `value` is no reason why drafting stopped.
///
/// # Errors
/// That fault.
pub fn check_censored(row: usize, value: u8) -> Result<(), Fault> {
    if value <= 3 {
        return Ok(());
    }
    let problem = format!("{value} is no reason (0 none, 1 max_length, 2 eos, 3 threshold)");
    Err(Fault { row, column: "censored", problem })
}

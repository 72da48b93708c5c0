//! Bins without branches: what a [`Grid`] says, faster, and to the same bit.
//!
//! A bin is found by a guess that is proven exact when the grid is made, or by a guess and a comparison with the edge
//! that it may be off by. Nothing here decides where a value belongs: the edges do.

use crate::grid::Grid;
use crate::log_edges::{EXP_LOG_EDGES, N_LOG_EDGES};

/// 1.5 · 2⁵²: adding it to a number below 2⁵¹ rounds that number to an integer, half to even, in the low bits.
const MAGIC: f64 = 6_755_399_441_055_744.0;

/// `value` rounded to an integer, half to even; |value| < 2⁵¹.
#[inline(always)]
#[must_use]
#[allow(clippy::cast_possible_wrap, reason = "bits, not numbers")]
pub fn round(value: f64) -> i64 {
    ((value + MAGIC).to_bits() as i64).wrapping_sub(MAGIC.to_bits() as i64)
}

/// The greatest integer ≤ value, exactly; |value| < 2³¹.
#[inline(always)]
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the low 32 bits are the number"
)]
pub fn floor(value: f64) -> i32 {
    let shifted = value + MAGIC;
    let rounded = shifted - MAGIC;
    (shifted.to_bits() as u32 as i32).wrapping_sub(i32::from(rounded > value))
}

/// How the bin of a float32 probability is found on one grid.
#[derive(Clone, Debug)]
pub enum ProbabilityBins {
    /// See [`scale`], at most `last`. Rising in the value, and checked at both sides of every edge: so it is the
    /// rule of the edges for every float32.
    Scaled {
        /// Bins on [0, 1].
        n: f64,
        /// The last bin.
        last: u32,
    },
    /// By the leading bits of the float32, in cells so small that none holds two edges.
    Table(CellTable),
    /// By search, for edges that lie too close for either.
    Search(Grid),
}

impl ProbabilityBins {
    /// The fastest way that is exact on this grid, which must run from 0 to 1.
    #[must_use]
    pub fn new(grid: &Grid) -> Self {
        let thresholds: Vec<f32> =
            grid.edges()[1..grid.n_bins()].iter().map(|edge| float32_above(*edge)).collect();
        let last = u32::try_from(grid.n_bins() - 1).unwrap_or(u32::MAX);
        let n = f64::from(last) + 1.0;
        let scaled =
            (1..).zip(&thresholds).all(|(k, t)| scale(*t, n) == k && scale(t.next_down(), n) == k - 1);
        if scaled {
            return Self::Scaled { n, last };
        }
        CellTable::new(&thresholds).map_or_else(|| Self::Search(grid.clone()), Self::Table)
    }

    /// The bin of each value, in [0, 1], added to `start` and `offset`.
    #[inline(always)]
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "values are in [0, 1]")]
    pub fn fill(&self, values: &[f32], start: &[u32], offset: u32, out: &mut [u32]) {
        let rows = out.iter_mut().zip(start).zip(values);
        match self {
            Self::Scaled { n, last } => {
                for ((out, start), value) in rows {
                    *out = scale(*value, *n).min(*last).wrapping_add(*start).wrapping_add(offset);
                }
            }
            Self::Table(table) => {
                for ((out, start), value) in rows {
                    *out = table.bin(*value).wrapping_add(*start).wrapping_add(offset);
                }
            }
            Self::Search(grid) => {
                for ((out, start), value) in rows {
                    *out = (grid.bin(f64::from(*value)) as u32).wrapping_add(*start).wrapping_add(offset);
                }
            }
        }
    }
}

/// `floor(value · n)`, but for values within 2⁻³⁰ of a bin below an edge; the grids on which that makes a difference are
/// found when they are made.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the low 32 bits are the number")]
fn scale(value: f32, n: f64) -> u32 {
    const HALF: f64 = 0.5 - 1.0 / (1_u32 << 30) as f64;
    ((f64::from(value) * n - HALF) + MAGIC).to_bits() as u32
}

/// The smallest float32 at or above an edge. A float32 is at or above the edge if and only if it is at or above this.
#[allow(clippy::cast_possible_truncation, reason = "rounded to nearest, then put right")]
fn float32_above(edge: f64) -> f32 {
    let nearest = edge as f32;
    if f64::from(nearest) < edge { nearest.next_up() } else { nearest }
}

/// Cells of equal leading bits of a float32, each with the bin in which it begins and the one edge that may lie in it.
/// The bits of floats ≥ 0 rise with the floats.
#[derive(Clone, Debug)]
pub struct CellTable {
    shift: u32,
    first: u32,
    /// The bits from which on the next bin holds, and the bin before them.
    cells: Vec<(u32, u32)>,
}

impl CellTable {
    const MAX_CELLS: usize = 1 << 14;

    fn new(thresholds: &[f32]) -> Option<Self> {
        let bits: Vec<u32> = thresholds.iter().map(|threshold| threshold.to_bits()).collect();
        (8..=23).rev().find_map(|shift| Self::with_shift(&bits, shift))
    }

    fn with_shift(thresholds: &[u32], shift: u32) -> Option<Self> {
        let one = 1.0_f32.to_bits() >> shift;
        let first = thresholds.first().map_or(one, |bits| bits >> shift);
        if thresholds.windows(2).any(|pair| pair[0] >> shift == pair[1] >> shift) {
            return None;
        }
        if (one - first) as usize >= Self::MAX_CELLS {
            return None;
        }
        let mut cells = Vec::new();
        let mut bin = 0;
        let mut next = thresholds.iter().peekable();
        for cell in first..=one {
            match next.next_if(|bits| *bits >> shift == cell) {
                Some(bits) => {
                    cells.push((*bits, bin));
                    bin += 1;
                }
                None => cells.push((u32::MAX, bin)),
            }
        }
        Some(Self { shift, first, cells })
    }

    #[inline(always)]
    fn bin(&self, value: f32) -> u32 {
        // Adding 0.0 turns −0.0, whose bits are large, into 0.0.
        let bits = (value + 0.0).to_bits();
        let cell = (bits >> self.shift).saturating_sub(self.first) as usize;
        let (threshold, bin) = self.cells[cell.min(self.cells.len() - 1)];
        bin + u32::from(bits >= threshold)
    }
}

/// How the bin of a float64 difference p − q is found on one grid.
#[derive(Clone, Debug)]
pub struct DifferenceBins {
    grid: Grid,
    /// Half the number of bins, where the edges are equal steps to 2⁻⁴⁰ of a bin.
    half: Option<f64>,
}

impl DifferenceBins {
    /// Nearer than this to an edge, in bins, a difference is compared with the edge itself. Rounding moves the position
    /// of a value by less than 2⁻³⁸ bins.
    const NEAR: f64 = 1.0 / (1_u32 << 29) as f64;
    /// Edges are equal steps if none is off by more than this, in bins: 2⁻⁴⁰.
    const EQUAL: f64 = Self::NEAR / 2048.0;
    const MAX_BINS: usize = 1 << 12;

    /// The fastest way that is exact on this grid, which must run from −1 to 1.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "small integers")]
    pub fn new(grid: &Grid) -> Self {
        let half = grid.n_bins() as f64 / 2.0;
        let close = |(k, edge): (usize, &f64)| {
            let centre = *edge == 0.0 || 2 * k != grid.n_bins();
            centre && ((edge + 1.0) * half - k as f64).abs() < Self::EQUAL
        };
        let equal = grid.n_bins() <= Self::MAX_BINS && grid.edges().iter().enumerate().all(close);
        Self { grid: grid.clone(), half: equal.then_some(half) }
    }

    /// The bin of each difference p − q, added to `start` and `offset`.
    #[inline(always)]
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "differences are in [-1, 1]")]
    pub fn fill(&self, p: &[f32], q: &[f32], start: &[u32], offset: u32, out: &mut [u32]) {
        let last = self.grid.n_bins() as u32 - 1;
        if let Some(half) = self.half {
            let mut near = 0_u32;
            for (((out, start), p), q) in out.iter_mut().zip(start).zip(p).zip(q) {
                let difference = f64::from(*p) - f64::from(*q);
                let place = difference * half + half;
                let shifted = place + MAGIC;
                let whole = shifted - MAGIC;
                let bin = (shifted.to_bits() as u32).wrapping_sub(u32::from(whole > place));
                // A difference of exactly 0 is the commonest of all, and its edge is exact.
                near |= u32::from((place - whole).abs() < Self::NEAR) & u32::from(difference != 0.0);
                *out = bin.min(last).wrapping_add(*start).wrapping_add(offset);
            }
            if near == 0 {
                return;
            }
        }
        for (((out, start), p), q) in out.iter_mut().zip(start).zip(p).zip(q) {
            let bin = self.grid.bin(f64::from(*p) - f64::from(*q)) as u32;
            *out = bin.wrapping_add(*start).wrapping_add(offset);
        }
    }
}

/// Quarters of an octave: so narrow that none holds two edges of log(p / q), which are 0.36 octaves apart.
const LOG_CELLS: usize = 4 * 24;
const LOG_SHIFT: u32 = 18;
/// The high 32 bits of 2⁻¹², shifted.
const FIRST_LOG_CELL: i32 = (1023 - 12) * 4;

/// How the bin of log(p / q) is found: the quotient says between which edges, one product decides.
#[derive(Clone, Debug)]
pub struct LogBins {
    /// Edges at or below the beginning of each cell.
    before: [u8; LOG_CELLS + 1],
    /// exp of each edge, then infinity.
    factors: [f64; N_LOG_EDGES + 1],
}

impl Default for LogBins {
    fn default() -> Self {
        Self::new()
    }
}

impl LogBins {
    /// The table for the fixed edges.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "at most 65 edges")]
    pub fn new() -> Self {
        let mut before = [0; LOG_CELLS + 1];
        for (cell, before) in before.iter_mut().enumerate() {
            let high = u64::from(FIRST_LOG_CELL.unsigned_abs()) + cell as u64;
            let begin = f64::from_bits(high << (LOG_SHIFT + 32));
            // An edge that begins a cell (only 1 does) is left to the comparison.
            *before = EXP_LOG_EDGES.partition_point(|factor| *factor < begin) as u8;
        }
        let mut factors = [f64::INFINITY; N_LOG_EDGES + 1];
        factors[..N_LOG_EDGES].copy_from_slice(&EXP_LOG_EDGES);
        Self { before, factors }
    }

    /// The cell of a quotient p / q, which may be infinite or NaN.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "14 bits")]
    pub fn cell(quotient: f64) -> i32 {
        let high = ((quotient.to_bits() >> 32) as u32 >> LOG_SHIFT) as i32;
        (high - FIRST_LOG_CELL).clamp(0, LOG_CELLS as i32)
    }

    /// The bin of each log(p / q), added to `start` and `offset`.
    #[inline(always)]
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_wrap, reason = "cells are few")]
    pub fn fill(&self, p: &[f32], q: &[f32], start: &[u32], offset: u32, out: &mut [u32]) {
        for ((cell, p), q) in out.iter_mut().zip(p).zip(q) {
            *cell = Self::cell(f64::from(*p) / f64::from(*q)) as u32;
        }
        for (((out, start), p), q) in out.iter_mut().zip(start).zip(p).zip(q) {
            *out = start + offset + self.bin(*out as i32, f64::from(*p), f64::from(*q));
        }
    }

    /// The bin of p and q whose quotient lies in this cell.
    #[inline(always)]
    #[must_use]
    pub fn bin(&self, cell: i32, p: f64, q: f64) -> u32 {
        let before = self.before[(cell.unsigned_abs() as usize).min(LOG_CELLS)];
        let factor = self.factors[usize::from(before).min(N_LOG_EDGES)];
        (u32::from(before) + u32::from(p >= q * factor)) * u32::from(p > 0.0)
    }
}

/// How the bin of a ratio in [0, 1] is found among `n` equal bins, edge k being the float64 k / n: a guess that is never
/// too low, and a comparison with the edge itself.
#[derive(Clone, Copy, Debug)]
pub struct RatioBins {
    n: f64,
}

impl RatioBins {
    /// # Panics
    /// Where a guess could be too low; for the 20 bins of the calibration table, the only ones used, it cannot.
    #[must_use]
    pub fn new(n: u32) -> Self {
        let bins = Self { n: f64::from(n) };
        let never_low = (0..=n).all(|k| bins.guess(f64::from(k) / bins.n) >= f64::from(k));
        assert!(never_low, "a ratio at an edge is guessed below it");
        bins
    }

    #[inline(always)]
    fn guess(self, ratio: f64) -> f64 {
        let value = ratio * self.n;
        let rounded = (value + MAGIC) - MAGIC;
        if rounded > value { rounded - 1.0 } else { rounded }
    }

    /// The bin; a ratio of 1 has the bin after the last.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ratios are in [0, 1]")]
    pub fn bin(self, ratio: f64) -> u32 {
        let guess = self.guess(ratio);
        let exact = if ratio < guess / self.n { guess - 1.0 } else { guess };
        round(exact) as u32
    }
}

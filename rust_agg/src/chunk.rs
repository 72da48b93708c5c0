//! The first pass: the rows of a chunk become indices of counters and numbers to add, without branches.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bins, and indices into a block or a chunk"
)]

use crate::bins::round;
use crate::cells::{DISCARDED, N_UNIT_BINS, N_UNIT_QUANTITIES, N_VERDICTS};
use crate::parts::Part;
use crate::rows::TraceColumns;
use crate::rules::{self, Bins, HISTOGRAMS};
use crate::state::Setup;
use crate::sums::FIXED_ONE;
use crate::tokens::item_of;

/// Rows that go through at a time.
pub const CHUNK: usize = 512;
/// Codes of a row: verdict, and 3 more where q > p, and 3 more where the draft is over-confident.
pub const N_CODES: usize = 3 * N_VERDICTS;
/// One value in the upper part of a packed sum; a chunk's sum of numbers of at most 1 stays below it.
pub const PACKED_ONE: i64 = 1 << 50;
const _: () =
    assert!(CHUNK < 1 << 10, "sums of a chunk stay below one value, and numbers of values below the sign");

/// What the first pass says of each row.
pub struct Chunk {
    /// Where the counters of the row begin: those of its block of groups, then of its verdict in that block.
    pub start: [u32; CHUNK],
    /// Indices of counters of groups: one list for each histogram that is counted.
    pub cells: [[u32; CHUNK]; 6],
    /// Indices into a block of units, for p, q and p − q.
    pub unit_cells: [[u32; CHUNK]; 3],
    /// Indices into the positions of a prompt.
    pub places: [u32; CHUNK],
    /// See [`N_CODES`].
    pub codes: [u8; CHUNK],
    /// See [`item_of`].
    pub tokens: [u64; CHUNK],
    /// Indices into the calibration counters.
    pub ratio_bins: [u32; CHUNK],
    /// min(1, p/q) in fixed point, 0 where the row is not judged.
    pub min_ratio: [i64; CHUNK],
    /// Entropy in fixed point, 0 where the row is not judged or its entropy is NaN.
    pub entropy: [i64; CHUNK],
    /// Overlap in the same way, and [`PACKED_ONE`] more for each that is not NaN.
    pub overlap: [i64; CHUNK],
    /// (1 − p/q)₊ in the same way, and [`PACKED_ONE`] more for each entropy that is not NaN.
    pub severity: [i64; CHUNK],
    ratios: [f64; CHUNK],
    rows: [u32; CHUNK],
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            start: [0; CHUNK],
            cells: [[0; CHUNK]; 6],
            unit_cells: [[0; CHUNK]; 3],
            places: [0; CHUNK],
            codes: [0; CHUNK],
            tokens: [0; CHUNK],
            ratio_bins: [0; CHUNK],
            min_ratio: [0; CHUNK],
            entropy: [0; CHUNK],
            overlap: [0; CHUNK],
            severity: [0; CHUNK],
            ratios: [0.0; CHUNK],
            rows: [0; CHUNK],
        }
    }
}

/// The bits that stay: all for a judged token, none for a discarded one.
#[inline(always)]
fn judged(verdict: u8) -> i64 {
    -i64::from(usize::from(verdict) != DISCARDED)
}

impl Chunk {
    /// The first pass over at most [`CHUNK`] rows, for which `start` already says where their blocks begin. A block holds
    /// `n_positions` positions after its histograms.
    #[inline(always)]
    pub fn fill(&mut self, c: &TraceColumns<'_>, setup: &Setup, bins: &Bins, n_positions: usize) {
        let parts = setup.parts;
        self.fill_cells(c, setup, bins, n_positions);
        if parts.any(&[Part::Surer, Part::Prompts, Part::Tokens]) {
            self.fill_codes(c, setup.over_confident_ratio);
        }
        if parts.has(Part::Tokens) {
            let rows = self.tokens.iter_mut().zip(c.token).zip(&self.codes);
            rows.for_each(|((item, token), code)| *item = item_of(*token, *code));
        }
        if parts.has(Part::Units) {
            self.fill_units(c);
        }
        if parts.has(Part::PromptPositions) {
            for ((place, position), verdict) in self.places.iter_mut().zip(c.position).zip(c.verdict) {
                *place = u32::from(*position) * N_VERDICTS as u32 + u32::from(*verdict);
            }
        }
        if parts.any(&[Part::Prompts, Part::Calibration]) {
            for ((ratio, p), q) in self.ratios.iter_mut().zip(c.p).zip(c.q) {
                *ratio = rules::min_ratio(f64::from(*p), f64::from(*q));
            }
        }
        if parts.has(Part::Calibration) {
            let rows = self.ratio_bins.iter_mut().zip(&mut self.min_ratio).zip(&self.ratios);
            for (((cell, fixed), ratio), verdict) in rows.zip(c.verdict) {
                *cell = bins.of_ratio(*ratio) * N_VERDICTS as u32 + u32::from(*verdict);
                *fixed = round(*ratio * FIXED_ONE) & judged(*verdict);
            }
        }
        if parts.has(Part::Prompts) {
            self.fill_sums(c);
        }
    }

    #[inline(always)]
    fn fill_cells(&mut self, c: &TraceColumns<'_>, setup: &Setup, bins: &Bins, n_positions: usize) {
        let (parts, layout, n) = (setup.parts, &setup.layout, c.verdict.len());
        let stride = (layout.stride + n_positions) as u32;
        for (start, verdict) in self.start[..n].iter_mut().zip(c.verdict) {
            // Verdicts are 0, 1 or 2; a product of 32 bits is not in every instruction set.
            let (one, two) = (u32::from(verdict & 1).wrapping_neg(), u32::from(verdict >> 1).wrapping_neg());
            *start += (stride & one) + ((2 * stride) & two);
        }
        let start = &self.start[..n];
        let mut lists = self.cells.iter_mut().map(|list| &mut list[..n]);
        let mut list = |part| if parts.has(part) { lists.next() } else { None };
        for part in HISTOGRAMS {
            if let Some(list) = list(part) {
                bins.fill(part, (c.p, c.q), start, layout, &mut self.rows[..n], list);
            }
        }
        if let Some(list) = list(Part::Positions) {
            for ((list, start), position) in list.iter_mut().zip(start).zip(c.position) {
                *list = start + layout.stride as u32 + u32::from(*position);
            }
        }
    }

    #[inline(always)]
    fn fill_codes(&mut self, c: &TraceColumns<'_>, over_confident_ratio: f64) {
        for (((code, verdict), p), q) in self.codes.iter_mut().zip(c.verdict).zip(c.p).zip(c.q) {
            let surer = rules::surer(f64::from(*p), f64::from(*q), over_confident_ratio);
            *code = verdict + N_VERDICTS as u8 * surer;
        }
    }

    #[inline(always)]
    fn fill_units(&mut self, c: &TraceColumns<'_>) {
        let [list_p, list_q, list_d] = &mut self.unit_cells;
        let rows = list_p.iter_mut().zip(list_q).zip(list_d);
        for (((((out_p, out_q), out_d), p), q), verdict) in rows.zip(c.p).zip(c.q).zip(c.verdict) {
            let start = u32::from(*verdict) * (N_UNIT_QUANTITIES * N_UNIT_BINS) as u32;
            [*out_p, *out_q, *out_d] =
                rules::unit_cells(f64::from(*p), f64::from(*q)).map(|cell| start + cell);
        }
    }

    #[inline(always)]
    fn fill_sums(&mut self, c: &TraceColumns<'_>) {
        for ((packed, overlap), verdict) in self.overlap.iter_mut().zip(c.overlap).zip(c.verdict) {
            let known = -i64::from(!overlap.is_nan()) & judged(*verdict);
            let overlap = f64::from(*overlap);
            let overlap = if overlap > 0.0 { overlap } else { 0.0 };
            let overlap = if overlap < 1.0 { overlap } else { 1.0 };
            *packed = (round(overlap * FIXED_ONE) + PACKED_ONE) & known;
        }
        let rows = self.entropy.iter_mut().zip(&mut self.severity).zip(&self.ratios);
        for ((((fixed, packed), ratio), entropy), verdict) in rows.zip(c.entropy).zip(c.verdict) {
            let known = -i64::from(!entropy.is_nan()) & judged(*verdict);
            let entropy = f64::from(if entropy.is_nan() { 0.0 } else { *entropy });
            *fixed = round(entropy * FIXED_ONE) & known;
            *packed = (round((1.0 - *ratio) * FIXED_ONE) & judged(*verdict)) + (PACKED_ONE & known);
        }
    }
}

//! What a row's p and q count for, the same in a fold and in a replay.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bins, and places in a block")]

use crate::bins::{DifferenceBins, LogBins, ProbabilityBins, RatioBins, floor};
use crate::cells::{Layout, N_UNIT_BINS, N_UNIT_QUANTITIES};
use crate::chunk::CHUNK;
use crate::parts::Part;
use crate::state::Setup;
use crate::sums::N_RATIO_BINS;

/// The histograms by group, in the order in which a row's cells are listed.
pub const HISTOGRAMS: [Part; 5] = [Part::P, Part::Q, Part::Difference, Part::LogRatio, Part::Joint];

/// How each quantity is binned.
pub struct Bins {
    probability: ProbabilityBins,
    difference: DifferenceBins,
    joint: ProbabilityBins,
    log: LogBins,
    ratio: RatioBins,
}

impl Bins {
    /// The fastest way that is exact, for each of the grids.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        Self {
            probability: ProbabilityBins::new(&setup.grids.probability),
            difference: DifferenceBins::new(&setup.grids.difference),
            joint: ProbabilityBins::new(&setup.grids.joint),
            log: LogBins::new(),
            ratio: RatioBins::new(N_RATIO_BINS),
        }
    }

    /// Put into `cells` the cell of each row in one of [`HISTOGRAMS`], where `start` says where the row's block begins.
    /// `scratch` is as long; there are at most [`CHUNK`] rows.
    #[inline(always)]
    pub fn fill(
        &self,
        part: Part,
        (p, q): (&[f32], &[f32]),
        start: &[u32],
        layout: &Layout,
        scratch: &mut [u32],
        cells: &mut [u32],
    ) {
        match part {
            Part::P => self.probability.fill(p, start, layout.p as u32, cells),
            Part::Q => self.probability.fill(q, start, layout.q as u32, cells),
            Part::Difference => self.difference.fill(p, q, start, layout.difference as u32, cells),
            Part::LogRatio => self.log.fill(p, q, start, layout.log_ratio as u32, cells),
            _ => {
                self.joint.fill(p, &[0; CHUNK][..p.len()], 0, scratch);
                for (row, start) in scratch.iter_mut().zip(start) {
                    *row = *row * layout.joint_bins as u32 + start;
                }
                self.joint.fill(q, scratch, layout.joint as u32, cells);
            }
        }
    }

    /// The calibration bin of a [`min_ratio`].
    #[inline(always)]
    #[must_use]
    pub fn of_ratio(&self, ratio: f64) -> u32 {
        self.ratio.bin(ratio)
    }
}

/// 1 where q > p, and 2 where the draft is over-confident besides.
#[inline(always)]
#[must_use]
pub fn surer(p: f64, q: f64, over_confident_ratio: f64) -> u8 {
    let (surer, over) = (u8::from(q > p), u8::from(q >= over_confident_ratio * p));
    surer + (surer & over)
}

/// min(1, p/q); 1 where q = 0.
#[inline(always)]
#[must_use]
pub fn min_ratio(p: f64, q: f64) -> f64 {
    let quotient = if q == 0.0 { 1.0 } else { p / q };
    if quotient > 1.0 { 1.0 } else { quotient }
}

/// Cells of p, q and p − q among those of one verdict in a unit. Scaling by 64 and by 32 is exact, so these are the bins
/// of equal edges.
#[inline(always)]
#[must_use]
pub fn unit_cells(p: f64, q: f64) -> [u32; N_UNIT_QUANTITIES] {
    const BINS: u32 = N_UNIT_BINS as u32;
    [
        (floor(p * 64.0) as u32).min(BINS - 1),
        BINS + (floor(q * 64.0) as u32).min(BINS - 1),
        2 * BINS + ((floor((p - q) * 32.0) + 32) as u32).min(BINS - 1),
    ]
}

//! Flat counters: where the bins of a group and verdict, or of a unit, stand in memory.

use crate::grid::Grids;
use crate::log_edges::N_LOG_BINS;

/// Verdicts: 0 rejected, 1 accepted, 2 discarded, as in the traces.
pub const N_VERDICTS: usize = 3;
/// The code of a rejected token.
pub const REJECTED: usize = 0;
/// The code of an accepted token.
pub const ACCEPTED: usize = 1;
/// The code of a discarded token, which was never judged.
pub const DISCARDED: usize = 2;
/// Names of the verdicts by code.
pub const VERDICT_NAMES: [&str; N_VERDICTS] = ["rejected", "accepted", "discarded"];

/// Bins of each quantity per unit: 64 equal ones.
pub const N_UNIT_BINS: usize = 64;
/// Quantities per unit: p, q, p − q.
pub const N_UNIT_QUANTITIES: usize = 3;
/// Counters of one unit: verdict × quantity × bin.
pub const N_UNIT_CELLS: usize = N_VERDICTS * N_UNIT_QUANTITIES * N_UNIT_BINS;

/// Where the parts of one block of counters begin. A block holds one group and verdict: the bins of p, of q, of p − q,
/// of log(p / q), then the joint histogram, p by p.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where the bins of p begin.
    pub p: usize,
    /// Where the bins of q begin.
    pub q: usize,
    /// Where the bins of p − q begin.
    pub difference: usize,
    /// Where the bins of log(p / q) begin.
    pub log_ratio: usize,
    /// Where the joint histogram begins.
    pub joint: usize,
    /// Bins of q in one row of the joint histogram.
    pub joint_bins: usize,
    /// Length of a block.
    pub stride: usize,
}

impl Layout {
    /// The layout for these grids.
    #[must_use]
    pub fn new(grids: &Grids) -> Self {
        let (probability, joint_bins) = (grids.probability.n_bins(), grids.joint.n_bins());
        let difference = 2 * probability;
        let log_ratio = difference + grids.difference.n_bins();
        let joint = log_ratio + N_LOG_BINS;
        let stride = joint + joint_bins * joint_bins;
        Self { p: 0, q: probability, difference, log_ratio, joint, joint_bins, stride }
    }

    /// Where the block of a group and verdict begins.
    #[must_use]
    pub fn block(&self, group: usize, verdict: usize) -> usize {
        (group * N_VERDICTS + verdict) * self.stride
    }
}

/// The cell of `N_UNIT_CELLS` for a verdict, a quantity (0 p, 1 q, 2 p − q) and a bin.
#[must_use]
pub fn unit_cell(verdict: usize, quantity: usize, bin: usize) -> usize {
    (verdict * N_UNIT_QUANTITIES + quantity) * N_UNIT_BINS + bin
}

/// The unit bin of a probability: 64 equal bins of [0, 1]. Scaling by 64 is exact, so this is the rule of the edges.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "value is in [0, 1]")]
pub fn unit_probability_bin(value: f64) -> usize {
    ((value * 64.0) as usize).min(N_UNIT_BINS - 1)
}

/// The unit bin of p − q: 64 equal bins of [−1, 1]. Scaling by 32 and rounding down are exact.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "value is in [-1, 1]")]
pub fn unit_difference_bin(value: f64) -> usize {
    (((value * 32.0).floor() + 32.0) as usize).min(N_UNIT_BINS - 1)
}

//! Flat counters: where the bins of a group and verdict, or of a unit, stand in memory.

use crate::grid::Grids;
use crate::log_edges::N_LOG_BINS;
use crate::parts::{Part, Parts};

/// Verdicts: 0 rejected, 1 accepted, 2 discarded, as in the traces.
pub const N_VERDICTS: usize = 3;
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
/// of log(p / q), then the joint histogram, row by row. A part that is not counted takes no room.
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
    /// The layout for these parts on these grids.
    #[must_use]
    pub fn new(grids: &Grids, parts: Parts) -> Self {
        let joint_bins = grids.joint.n_bins();
        let mut stride = 0;
        let mut place = |part, bins| {
            let start = stride;
            stride += if parts.has(part) { bins } else { 0 };
            start
        };
        let p = place(Part::P, grids.probability.n_bins());
        let q = place(Part::Q, grids.probability.n_bins());
        let difference = place(Part::Difference, grids.difference.n_bins());
        let log_ratio = place(Part::LogRatio, N_LOG_BINS);
        let joint = place(Part::Joint, joint_bins * joint_bins);
        Self { p, q, difference, log_ratio, joint, joint_bins, stride }
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

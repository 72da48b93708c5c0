//! Exact sums: fixed point, per prompt and sample, and per calibration bin.

use crate::grid::Grid;
use crate::sorted::Add;

/// One unit of the fixed point: 2⁻⁴⁰.
pub const FIXED_ONE: f64 = 1_099_511_627_776.0;

/// The float64 nearest to a fixed-point sum.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "rounded once, to nearest, half to even")]
pub fn from_fixed(sum: i128) -> f64 {
    sum as f64 / FIXED_ONE
}

/// Counts and sums of one sample of one prompt. Pairs are indexed by verdict: rejected, accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleSums {
    /// Drafted tokens by verdict.
    pub verdicts: [u64; 3],
    /// Judged tokens with q > p.
    pub surer: [u64; 2],
    /// Judged tokens with q > p and q ≥ ratio · p.
    pub over_confident: [u64; 2],
    /// Judged tokens with an overlap.
    pub n_overlap: u64,
    /// Σ overlap over them, fixed point.
    pub sum_overlap: i128,
    /// Σ (1 − p/q)₊ over judged tokens, fixed point.
    pub sum_severity: i128,
    /// Judged tokens with an entropy.
    pub n_entropy: u64,
    /// Σ entropy over them, fixed point.
    pub sum_entropy: i128,
    /// Rounds.
    pub n_rounds: u64,
    /// Σ requested over rounds.
    pub n_requested: u64,
    /// Σ emitted over rounds.
    pub n_emitted: u64,
    /// Rounds cut by the length limit, by EOS, by the threshold.
    pub cut: [u64; 3],
}

impl SampleSums {
    /// Tokens that were judged: rejected or accepted.
    #[must_use]
    pub fn n_judged(&self) -> u64 {
        self.verdicts[0] + self.verdicts[1]
    }
}

impl Add for SampleSums {
    fn add(&mut self, other: &Self) {
        add_all(&mut self.verdicts, &other.verdicts);
        add_all(&mut self.surer, &other.surer);
        add_all(&mut self.over_confident, &other.over_confident);
        add_all(&mut self.cut, &other.cut);
        self.n_overlap += other.n_overlap;
        self.sum_overlap += other.sum_overlap;
        self.sum_severity += other.sum_severity;
        self.n_entropy += other.n_entropy;
        self.sum_entropy += other.sum_entropy;
        self.n_rounds += other.n_rounds;
        self.n_requested += other.n_requested;
        self.n_emitted += other.n_emitted;
    }
}

/// Equal bins of min(1, p/q) below 1.
pub const N_RATIO_BINS: u32 = 20;
/// All calibration bins: those and the atom at exactly 1.
pub const N_CALIBRATION_BINS: usize = N_RATIO_BINS as usize + 1;

/// The grid of the calibration bins below 1: edges k/20.
#[must_use]
pub fn ratio_grid() -> Grid {
    Grid::equal(0.0, 1.0, N_RATIO_BINS)
}

/// What one calibration bin holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CalibrationBin {
    /// Judged tokens by verdict: rejected, accepted.
    pub verdicts: [u64; 2],
    /// Σ min(1, p/q), fixed point.
    pub sum_min_ratio: i128,
}

impl Add for CalibrationBin {
    fn add(&mut self, other: &Self) {
        add_all(&mut self.verdicts, &other.verdicts);
        self.sum_min_ratio += other.sum_min_ratio;
    }
}

/// `left[i] += right[i]`.
pub fn add_all(left: &mut [u64], right: &[u64]) {
    for (left, right) in left.iter_mut().zip(right) {
        *left += right;
    }
}

impl<const N: usize> Add for [u64; N] {
    fn add(&mut self, other: &Self) {
        add_all(self, other);
    }
}

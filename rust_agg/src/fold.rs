//! The fold itself: slices of one batch into a state. No files, no Arrow, no Python.

use std::ops::Range;

use crate::cells::{
    DISCARDED, N_UNIT_CELLS, N_VERDICTS, unit_cell, unit_difference_bin, unit_probability_bin,
};
use crate::error::Fault;
use crate::grid::log_ratio_bin;
use crate::state::{Setup, State};
use crate::sums::{N_CALIBRATION_BINS, SampleSums, to_fixed};

/// Largest entropy taken (nats). A distribution over 2³² tokens has at most 22.2; the limit keeps the sums exact.
pub const MAX_ENTROPY: f32 = 1_048_576.0;

/// The columns of `traces` that a fold needs, all of one length.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of the columns")]
pub struct TraceColumns<'a> {
    pub prompt: &'a [u64],
    pub sample: &'a [u16],
    pub position: &'a [u16],
    pub token: &'a [u32],
    pub p: &'a [f32],
    pub q: &'a [f32],
    pub overlap: &'a [f32],
    pub entropy: &'a [f32],
    pub verdict: &'a [u8],
}

/// The columns of `rounds` that a fold needs, all of one length but `next_p`, which holds only what is not null.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of the columns")]
pub struct RoundColumns<'a> {
    pub prompt: &'a [u64],
    pub sample: &'a [u16],
    pub requested: &'a [u16],
    pub emitted: &'a [u16],
    pub censored: &'a [u8],
}

/// The first row of `rows` that breaks the contract, and in it the first column in the order of the schema.
///
/// # Errors
/// That fault: a position of 0, p or q outside [0, 1] or NaN, an entropy that is negative, infinite or impossibly
/// large, an unknown verdict.
pub fn check_traces(c: &TraceColumns<'_>, rows: Range<usize>) -> Result<(), Fault> {
    let mut fine = true;
    for row in rows.clone() {
        // NaN fails every comparison; `|` keeps the loop free of branches.
        let entropy = c.entropy[row];
        fine &= (c.position[row] >= 1)
            & (0.0..=1.0).contains(&c.p[row])
            & (0.0..=1.0).contains(&c.q[row])
            & ((0.0..=MAX_ENTROPY).contains(&entropy) | entropy.is_nan())
            & (usize::from(c.verdict[row]) < N_VERDICTS);
    }
    if fine {
        return Ok(());
    }
    for row in rows {
        if c.position[row] < 1 {
            return Err(Fault { row, column: "position", problem: "0, positions count from 1".into() });
        }
        for (column, value) in [("p", c.p[row]), ("q", c.q[row])] {
            check_probability(row, column, value)?;
        }
        let entropy = c.entropy[row];
        if !(entropy.is_nan() || (0.0..=MAX_ENTROPY).contains(&entropy)) {
            let problem = format!("{entropy} is no entropy in nats (NaN where not computed)");
            return Err(Fault { row, column: "entropy", problem });
        }
        let verdict = c.verdict[row];
        if usize::from(verdict) >= N_VERDICTS {
            let problem = format!("{verdict} is no verdict (0 rejected, 1 accepted, 2 discarded)");
            return Err(Fault { row, column: "verdict", problem });
        }
    }
    Ok(())
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

/// Call `run` for each stretch of rows of one prompt and sample.
fn for_each_run(prompt: &[u64], sample: &[u16], mut run: impl FnMut(u64, u16, Range<usize>)) {
    let mut start = 0;
    while start < prompt.len() {
        let key = (prompt[start], sample[start]);
        let mut end = start + 1;
        while end < prompt.len() && (prompt[end], sample[end]) == key {
            end += 1;
        }
        run(key.0, key.1, start..end);
        start = end;
    }
}

impl State {
    /// Count a batch of `traces` that has passed [`check_traces`].
    pub fn fold_traces(&mut self, c: &TraceColumns<'_>) {
        for_each_run(c.prompt, c.sample, |prompt, sample, rows| {
            let n = rows.len() as u64;
            match self.setup.groups.index_of(prompt) {
                Some(index) => {
                    self.n_rows += n;
                    self.fold_run(c, index, sample, rows);
                }
                None => self.n_rows_unmapped += n,
            }
        });
    }

    /// Count a batch of `rounds` that has passed [`check_censored`].
    pub fn fold_rounds(&mut self, c: &RoundColumns<'_>) {
        for_each_run(c.prompt, c.sample, |prompt, sample, rows| {
            let n = rows.len() as u64;
            let Some(index) = self.setup.groups.index_of(prompt) else {
                self.n_rounds_unmapped += n;
                return;
            };
            self.n_rounds += n;
            let sums = self.samples.entry((index, sample)).or_default();
            sums.n_rounds += n;
            for row in rows {
                sums.n_requested += u64::from(c.requested[row]);
                sums.n_emitted += u64::from(c.emitted[row]);
                if let Some(reason) = c.censored[row].checked_sub(1) {
                    sums.cut[usize::from(reason)] += 1;
                }
            }
        });
    }

    fn fold_run(&mut self, c: &TraceColumns<'_>, index: u32, sample: u16, rows: Range<usize>) {
        let Self { setup, cells, positions, units, samples, prompt_positions, tokens, calibration, .. } =
            self;
        let setup: &Setup = setup;
        let members = setup.groups.members(index);
        let sums = samples.entry((index, sample)).or_default();
        let judged_by_position = &mut prompt_positions[index as usize];
        for row in rows {
            let verdict = usize::from(c.verdict[row]);
            let position = usize::from(c.position[row]);
            let token = Token::new(setup, c.p[row], c.q[row]);
            for member in members {
                let group = member.group as usize;
                token.count(setup, cells, group, verdict);
                *at(&mut positions[group * N_VERDICTS + verdict], position) += 1;
                let unit = units[member.unit as usize].get_or_insert_with(|| vec![0; N_UNIT_CELLS].into());
                token.count_unit(unit, verdict);
            }
            sums.verdicts[verdict] += 1;
            if verdict == DISCARDED {
                continue;
            }
            at(judged_by_position, position)[verdict] += 1;
            let (bin, ratio) = token.calibration(setup);
            calibration[bin].verdicts[verdict] += 1;
            calibration[bin].sum_min_ratio += to_fixed(ratio);
            token.add_judged(sums, verdict, setup.over_confident_ratio);
            add_measured(sums, c.overlap[row], c.entropy[row]);
            if token.is_surer() {
                tokens.entry((c.token[row], index)).or_default()[verdict] += 1;
            }
        }
    }
}

/// The entry for `index`, which is added if it is not there yet.
fn at<T: Clone + Default>(counts: &mut Vec<T>, index: usize) -> &mut T {
    if counts.len() <= index {
        counts.resize(index + 1, T::default());
    }
    &mut counts[index]
}

/// One drafted token: its probabilities in float64 and their bins.
struct Token {
    p: f64,
    q: f64,
    bins: [usize; 4],
    joint: usize,
    unit_bins: [usize; 3],
}

impl Token {
    fn new(setup: &Setup, p: f32, q: f32) -> Self {
        let (p, q) = (f64::from(p), f64::from(q));
        let (grids, layout) = (&setup.grids, &setup.layout);
        let bins = [
            layout.p + grids.probability.bin(p),
            layout.q + grids.probability.bin(q),
            layout.difference + grids.difference.bin(p - q),
            layout.log_ratio + log_ratio_bin(p, q),
        ];
        let joint = layout.joint + grids.joint.bin(p) * layout.joint_bins + grids.joint.bin(q);
        let unit_bins = [unit_probability_bin(p), unit_probability_bin(q), unit_difference_bin(p - q)];
        Self { p, q, bins, joint, unit_bins }
    }

    fn count(&self, setup: &Setup, cells: &mut [u64], group: usize, verdict: usize) {
        let start = setup.layout.block(group, verdict);
        let block = &mut cells[start..start + setup.layout.stride];
        for bin in self.bins {
            block[bin] += 1;
        }
        block[self.joint] += 1;
    }

    fn count_unit(&self, cells: &mut [u64], verdict: usize) {
        for (quantity, bin) in self.unit_bins.into_iter().enumerate() {
            cells[unit_cell(verdict, quantity, bin)] += 1;
        }
    }

    fn is_surer(&self) -> bool {
        self.q > self.p
    }

    /// p / q in float64, and 1 where q = 0.
    fn ratio(&self) -> f64 {
        if self.q == 0.0 { 1.0 } else { self.p / self.q }
    }

    /// The calibration bin and min(1, p/q).
    fn calibration(&self, setup: &Setup) -> (usize, f64) {
        let ratio = self.ratio();
        if ratio >= 1.0 { (N_CALIBRATION_BINS - 1, 1.0) } else { (setup.ratio_grid.bin(ratio), ratio) }
    }

    fn add_judged(&self, sums: &mut SampleSums, verdict: usize, over_confident_ratio: f64) {
        sums.sum_severity += to_fixed((1.0 - self.ratio()).max(0.0));
        if self.is_surer() {
            sums.surer[verdict] += 1;
            if self.q >= over_confident_ratio * self.p {
                sums.over_confident[verdict] += 1;
            }
        }
    }
}

fn add_measured(sums: &mut SampleSums, overlap: f32, entropy: f32) {
    if !overlap.is_nan() {
        sums.n_overlap += 1;
        sums.sum_overlap += to_fixed(f64::from(overlap).clamp(0.0, 1.0));
    }
    if !entropy.is_nan() {
        sums.n_entropy += 1;
        sums.sum_entropy += to_fixed(f64::from(entropy));
    }
}

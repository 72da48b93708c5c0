//! The counters as tidy tables, one record batch each.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt16Array, UInt32Array, UInt64Array};

use crate::cells::{N_UNIT_BINS, N_VERDICTS, VERDICT_NAMES, unit_cell};
use crate::error::{Error, Result};
use crate::grid::Grid;
use crate::log_edges::log_edges;
use crate::parts::Part;
use crate::sorted::Sorted;
use crate::state::{Discarded, State};
use crate::sums::{SampleSums, from_fixed, ratio_grid};

type Columns = Vec<(&'static str, ArrayRef)>;

fn table(columns: Columns) -> Result<RecordBatch> {
    RecordBatch::try_from_iter(columns)
        .map_err(|error| Error::data(format!("a table cannot be made: {error}")))
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn u16s(values: impl IntoIterator<Item = u16>) -> ArrayRef {
    Arc::new(UInt16Array::from_iter_values(values))
}

fn u32s(values: impl IntoIterator<Item = u32>) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(values))
}

fn u64s(values: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

#[allow(clippy::cast_possible_truncation, reason = "bins and positions are far below")]
fn small(value: usize) -> u32 {
    value as u32
}

/// One bin of one histogram.
struct BinRow<'a> {
    group: &'a str,
    unit: &'a str,
    verdict: &'static str,
    quantity: &'static str,
    bin: usize,
    low: f64,
    high: f64,
    count: u64,
}

/// The ends of the bins of log(p / q), underflow and overflow included.
fn log_ends() -> Vec<f64> {
    let edges = log_edges();
    [f64::NEG_INFINITY].into_iter().chain(edges).chain([f64::INFINITY]).collect()
}

impl State {
    /// `group, verdict, quantity, bin, low, high, count`: the histograms of p, q, difference (p − q) and `log_ratio`
    /// (log(p / q)) of every group and verdict, empty bins included.
    ///
    /// # Errors
    /// [`Error::State`] where they were not counted.
    pub fn histograms(&self) -> Result<RecordBatch> {
        let (grids, layout) = (&self.setup.grids, &self.setup.layout);
        let log_ends = log_ends();
        let quantities: [(Part, usize, &[f64]); 4] = [
            (Part::P, layout.p, grids.probability.edges()),
            (Part::Q, layout.q, grids.probability.edges()),
            (Part::Difference, layout.difference, grids.difference.edges()),
            (Part::LogRatio, layout.log_ratio, &log_ends),
        ];
        let counted: Vec<_> =
            quantities.into_iter().filter(|(part, ..)| self.setup.parts.has(*part)).collect();
        if counted.is_empty() {
            self.require(Part::P)?;
        }
        let mut bins = Vec::new();
        for (group, verdict, block) in self.blocks() {
            for (part, start, ends) in &counted {
                let quantity = part.name();
                for (bin, pair) in ends.windows(2).enumerate() {
                    let (low, high, count) = (pair[0], pair[1], block[*start + bin]);
                    bins.push(BinRow { group, unit: "", verdict, quantity, bin, low, high, count });
                }
            }
        }
        let mut columns = vec![("group", texts(bins.iter().map(|bin| bin.group)))];
        columns.extend(bin_columns(&bins));
        table(columns)
    }

    /// `group, verdict, p_bin, q_bin, p_low, p_high, q_low, q_high, count`: the cells of the joint histogram of p and
    /// q that are not zero.
    ///
    /// # Errors
    /// [`Error::State`] where they were not counted.
    pub fn joint_histogram(&self) -> Result<RecordBatch> {
        self.require(Part::Joint)?;
        let (layout, edges) = (&self.setup.layout, self.setup.grids.joint.edges());
        let mut cells = Vec::new();
        for (group, verdict, block) in self.blocks() {
            for (at, count) in block[layout.joint..].iter().enumerate().filter(|(_, count)| **count > 0) {
                cells.push((group, verdict, at / layout.joint_bins, at % layout.joint_bins, *count));
            }
        }
        table(vec![
            ("group", texts(cells.iter().map(|cell| cell.0))),
            ("verdict", texts(cells.iter().map(|cell| cell.1))),
            ("p_bin", u32s(cells.iter().map(|cell| small(cell.2)))),
            ("q_bin", u32s(cells.iter().map(|cell| small(cell.3)))),
            ("p_low", floats(cells.iter().map(|cell| edges[cell.2]))),
            ("p_high", floats(cells.iter().map(|cell| edges[cell.2 + 1]))),
            ("q_low", floats(cells.iter().map(|cell| edges[cell.3]))),
            ("q_high", floats(cells.iter().map(|cell| edges[cell.3 + 1]))),
            ("count", u64s(cells.iter().map(|cell| cell.4))),
        ])
    }

    /// `group, verdict, position, count`: drafted tokens by draft position, where there are any.
    ///
    /// # Errors
    /// [`Error::State`] where they were not counted.
    pub fn positions(&self) -> Result<RecordBatch> {
        self.require(Part::Positions)?;
        let mut rows = Vec::new();
        for (at, counts) in self.positions.iter().enumerate() {
            let group = self.setup.groups.group_names()[at / N_VERDICTS].as_str();
            let verdict = VERDICT_NAMES[at % N_VERDICTS];
            let counts = (0_u16..).zip(counts).filter(|(_, count)| **count > 0);
            rows.extend(counts.map(|(position, count)| (group, verdict, position, *count)));
        }
        table(vec![
            ("group", texts(rows.iter().map(|row| row.0))),
            ("verdict", texts(rows.iter().map(|row| row.1))),
            ("position", u16s(rows.iter().map(|row| row.2))),
            ("count", u64s(rows.iter().map(|row| row.3))),
        ])
    }

    /// `group, verdict, n, n_surer, n_over_confident`: tokens, those with q > p, and those where the draft is
    /// over-confident.
    ///
    /// # Errors
    /// [`Error::State`] where they were not counted.
    pub fn surer(&self) -> Result<RecordBatch> {
        self.require(Part::Surer)?;
        let names = self.setup.groups.group_names();
        let blocks = 0..self.surer.len();
        let count = |which: usize| u64s(self.surer.iter().map(move |counts| counts[which]));
        table(vec![
            ("group", texts(blocks.clone().map(|at| names[at / N_VERDICTS].as_str()))),
            ("verdict", texts(blocks.map(|at| VERDICT_NAMES[at % N_VERDICTS]))),
            ("n", count(0)),
            ("n_surer", count(1)),
            ("n_over_confident", count(2)),
        ])
    }

    /// `unit, group, verdict, quantity, bin, low, high, count`: histograms of p, q and difference by unit, in 64 equal
    /// bins, where a bin is not empty.
    ///
    /// # Errors
    /// [`Error::State`] where they were not counted.
    pub fn unit_histograms(&self) -> Result<RecordBatch> {
        self.require(Part::Units)?;
        let (probability, difference) = (Grid::equal(0.0, 1.0, 64), Grid::equal(-1.0, 1.0, 64));
        let quantities = [("p", &probability), ("q", &probability), ("difference", &difference)];
        let mut bins = Vec::new();
        for (at, cells) in self.units.iter().enumerate() {
            let (Some(cells), Some((unit, group))) = (cells, self.unit(at)) else { continue };
            for (code, verdict) in VERDICT_NAMES.into_iter().enumerate() {
                for (which, (quantity, grid)) in quantities.into_iter().enumerate() {
                    for bin in 0..N_UNIT_BINS {
                        let (low, high) = (grid.edges()[bin], grid.edges()[bin + 1]);
                        let count = cells[unit_cell(code, which, bin)];
                        bins.push(BinRow { group, unit, verdict, quantity, bin, low, high, count });
                    }
                }
            }
        }
        bins.retain(|bin| bin.count > 0);
        let mut columns = vec![
            ("unit", texts(bins.iter().map(|bin| bin.unit))),
            ("group", texts(bins.iter().map(|bin| bin.group))),
        ];
        columns.extend(bin_columns(&bins));
        table(columns)
    }

    /// One row per prompt and sample seen in traces or rounds, sorted, each prompt once whatever its groups.
    ///
    /// # Errors
    /// [`Error::State`] where they were not counted.
    pub fn prompts(&self) -> Result<RecordBatch> {
        self.require(Part::Prompts)?;
        let rows: Vec<_> = self.samples().collect();
        let prompts = self.setup.groups.prompts();
        let counts = |of: fn(&SampleSums) -> u64| u64s(rows.iter().map(|(_, sums)| of(sums)));
        // Without the discarded ones, those that were judged are not what was drafted.
        let drafted: fn(&SampleSums) -> u64 = match self.discarded {
            Discarded::Unknown => |_| 0,
            Discarded::Full | Discarded::Counted => |s| s.verdicts.iter().sum(),
        };
        let sums = |of: fn(&SampleSums) -> i128| floats(rows.iter().map(|(_, sums)| from_fixed(of(sums))));
        table(vec![
            ("prompt", u64s(rows.iter().map(|((index, _), _)| prompts[*index as usize]))),
            ("sample", u16s(rows.iter().map(|((_, sample), _)| *sample))),
            ("n_drafted", counts(drafted)),
            ("n_judged", counts(SampleSums::n_judged)),
            ("n_accepted", counts(|s| s.verdicts[1])),
            ("n_rejected", counts(|s| s.verdicts[0])),
            ("n_discarded", counts(|s| s.verdicts[2])),
            ("n_rounds", counts(|s| s.n_rounds)),
            ("n_emitted", counts(|s| s.n_emitted)),
            ("n_requested", counts(|s| s.n_requested)),
            ("n_rounds_cut_max_length", counts(|s| s.cut[0])),
            ("n_rounds_cut_eos", counts(|s| s.cut[1])),
            ("n_rounds_cut_threshold", counts(|s| s.cut[2])),
            ("n_surer_accepted", counts(|s| s.surer[1])),
            ("n_surer_rejected", counts(|s| s.surer[0])),
            ("n_over_confident_accepted", counts(|s| s.over_confident[1])),
            ("n_over_confident_rejected", counts(|s| s.over_confident[0])),
            ("n_overlap", counts(|s| s.n_overlap)),
            ("sum_overlap", sums(|s| s.sum_overlap)),
            ("n_severity", counts(SampleSums::n_judged)),
            ("sum_severity", sums(|s| s.sum_severity)),
            ("n_entropy", counts(|s| s.n_entropy)),
            ("sum_entropy", sums(|s| s.sum_entropy)),
        ])
    }

    /// `prompt, position, n_judged, n_accepted`, sorted, where anything was judged.
    ///
    /// # Errors
    /// [`Error::State`] where they were not counted.
    pub fn prompt_positions(&self) -> Result<RecordBatch> {
        self.require(Part::PromptPositions)?;
        let mut rows = Vec::new();
        for (prompt, counts) in self.setup.groups.prompts().iter().zip(self.judged_by_position()) {
            for (position, [rejected, accepted]) in (0_u16..).zip(counts) {
                if rejected + accepted > 0 {
                    rows.push((*prompt, position, rejected + accepted, *accepted));
                }
            }
        }
        table(vec![
            ("prompt", u64s(rows.iter().map(|row| row.0))),
            ("position", u16s(rows.iter().map(|row| row.1))),
            ("n_judged", u64s(rows.iter().map(|row| row.2))),
            ("n_accepted", u64s(rows.iter().map(|row| row.3))),
        ])
    }

    /// `token, unit, group, n_surer_accepted, n_surer_rejected, n_prompts, n_prompts_accepted, n_prompts_rejected`:
    /// judged tokens with q > p, and how many distinct prompts they came from, by token and unit.
    ///
    /// # Errors
    /// [`Error::State`] where they were not counted.
    pub fn tokens(&self) -> Result<RecordBatch> {
        self.require(Part::Tokens)?;
        let mut rows = Vec::new();
        for (prompt, token, [rejected, accepted]) in self.surer_tokens() {
            let once = [1, u64::from(accepted > 0), u64::from(rejected > 0)];
            let counts = [accepted, rejected, once[0], once[1], once[2]];
            rows.extend(
                self.setup.groups.members(prompt).iter().map(|member| ((token, member.unit), counts)),
            );
        }
        let rows = Sorted::new(rows);
        let rows = rows.entries();
        let name = |unit: u32| self.unit(unit as usize).unwrap_or_default();
        let count = |at: usize| u64s(rows.iter().map(move |(_, counts)| counts[at]));
        table(vec![
            ("token", u32s(rows.iter().map(|((token, _), _)| *token))),
            ("unit", texts(rows.iter().map(|((_, unit), _)| name(*unit).0))),
            ("group", texts(rows.iter().map(|((_, unit), _)| name(*unit).1))),
            ("n_surer_accepted", count(0)),
            ("n_surer_rejected", count(1)),
            ("n_prompts", count(2)),
            ("n_prompts_accepted", count(3)),
            ("n_prompts_rejected", count(4)),
        ])
    }

    /// `bin, low, high, n_judged, n_accepted, sum_min_ratio`: judged tokens by min(1, p/q), in 20 equal bins below 1
    /// and, as bin 20, the atom at 1. Each row counts once, whatever the number of its groups.
    ///
    /// # Errors
    /// [`Error::State`] where they were not counted.
    pub fn calibration(&self) -> Result<RecordBatch> {
        self.require(Part::Calibration)?;
        let bins = &self.calibration;
        let grid = ratio_grid();
        let edges = grid.edges();
        let last = edges.len() - 1;
        table(vec![
            ("bin", u32s((0..bins.len()).map(small))),
            ("low", floats(edges.iter().copied())),
            ("high", floats((0..bins.len()).map(|bin| edges[(bin + 1).min(last)]))),
            ("n_judged", u64s(bins.iter().map(|bin| bin.verdicts.iter().sum()))),
            ("n_accepted", u64s(bins.iter().map(|bin| bin.verdicts[1]))),
            ("sum_min_ratio", floats(bins.iter().map(|bin| from_fixed(bin.sum_min_ratio)))),
        ])
    }

    /// Each group and verdict, by name, with its block of counters.
    fn blocks(&self) -> impl Iterator<Item = (&str, &'static str, &[u64])> {
        let names = self.setup.groups.group_names();
        self.cells
            .chunks_exact(self.setup.layout.stride.max(1))
            .enumerate()
            .map(move |(at, block)| (names[at / N_VERDICTS].as_str(), VERDICT_NAMES[at % N_VERDICTS], block))
    }

    /// The name of a unit and of its group; none where no prompt has the unit.
    fn unit(&self, unit: usize) -> Option<(&str, &str)> {
        let groups = &self.setup.groups;
        let group = groups.group_of_unit(unit)? as usize;
        Some((&groups.unit_names()[unit], &groups.group_names()[group]))
    }
}

fn bin_columns(bins: &[BinRow<'_>]) -> Columns {
    vec![
        ("verdict", texts(bins.iter().map(|bin| bin.verdict))),
        ("quantity", texts(bins.iter().map(|bin| bin.quantity))),
        ("bin", u32s(bins.iter().map(|bin| small(bin.bin)))),
        ("low", floats(bins.iter().map(|bin| bin.low))),
        ("high", floats(bins.iter().map(|bin| bin.high))),
        ("count", u64s(bins.iter().map(|bin| bin.count))),
    ]
}

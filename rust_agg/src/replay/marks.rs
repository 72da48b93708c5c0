//! What each row counts for, found once and used by every setting: bins, code, ratio, measures.
//!
//! By the rules of [`crate::rules`], as in [`crate::chunk`], whose rows come with a verdict of one setting.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bins")]

use crate::bins::round;
use crate::cells::{N_UNIT_BINS, N_UNIT_QUANTITIES, N_VERDICTS};
use crate::chunk::CHUNK;
use crate::parts::{Part, Parts};
use crate::rules::{self, Bins, HISTOGRAMS};
use crate::state::Setup;
use crate::sums::FIXED_ONE;

/// Counters of one verdict in one unit.
pub const N_UNIT_CELLS: usize = N_UNIT_QUANTITIES * N_UNIT_BINS;

/// How values are binned.
pub struct Marker {
    parts: Parts,
    over_confident_ratio: f64,
    layout: crate::cells::Layout,
    bins: Bins,
    arch: pulp::Arch,
}

/// Columns of rows that are marked: those of proposals, or of tails.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    /// By the target.
    pub p: &'a [f32],
    /// By the draft.
    pub q: &'a [f32],
    /// The verdict where the row is judged, 0 or 1; empty for tails, which never are.
    pub fate: &'a [u8],
    /// NaN where not computed; empty where no part needs it.
    pub overlap: &'a [f32],
    /// Nats; like overlap.
    pub entropy: &'a [f32],
}

/// What a judged row adds to the sums of its prompt and sample, in fixed point.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measure {
    pub overlap: i64,
    pub severity: i64,
    pub entropy: i64,
    pub n_overlap: u32,
    pub n_entropy: u32,
}

/// What rows count for; what no part needs stays empty.
#[derive(Debug, Default)]
pub struct Marks {
    /// Cells of a row in a block of groups, `width` of them; a block is that of the rejected, then of the accepted, or
    /// that of the discarded alone.
    pub cells: Vec<u32>,
    /// Histograms by group that are counted.
    pub width: usize,
    /// Verdict (0 where discarded), 2 more where q > p, and 2 more where the draft is over-confident.
    pub codes: Vec<u8>,
    /// Cells in a block of units, which is like one of groups.
    pub units: Vec<[u32; N_UNIT_QUANTITIES]>,
    /// Calibration bin × 2 + verdict, and min(1, p/q) in fixed point.
    pub ratios: Vec<(u32, i64)>,
    pub measures: Vec<Measure>,
    scratch: Box<Scratch>,
}

#[derive(Debug)]
struct Scratch {
    start: [u32; CHUNK],
    list: [u32; CHUNK],
    row: [u32; CHUNK],
    ratio: [f64; CHUNK],
}

impl Default for Scratch {
    fn default() -> Self {
        Self { start: [0; CHUNK], list: [0; CHUNK], row: [0; CHUNK], ratio: [0.0; CHUNK] }
    }
}

impl Marker {
    /// For what a state is to count.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        Self {
            parts: setup.parts,
            over_confident_ratio: setup.over_confident_ratio,
            layout: setup.layout,
            bins: Bins::new(setup),
            arch: pulp::Arch::new(),
        }
    }

    /// Mark rows, in place of what `marks` holds.
    pub fn mark(&self, columns: &Columns<'_>, marks: &mut Marks) {
        marks.width = HISTOGRAMS.into_iter().filter(|part| self.parts.has(*part)).count();
        marks.cells.clear();
        marks.cells.resize(columns.p.len() * marks.width, 0);
        marks.codes.clear();
        marks.units.clear();
        marks.ratios.clear();
        marks.measures.clear();
        self.arch.dispatch(Mark { marker: self, columns, marks });
    }
}

/// The same code compiled for each generation of vector instructions, and chosen when it runs.
struct Mark<'a> {
    marker: &'a Marker,
    columns: &'a Columns<'a>,
    marks: &'a mut Marks,
}

impl pulp::WithSimd for Mark<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let n = self.columns.p.len();
        for start in (0..n).step_by(CHUNK) {
            let end = n.min(start + CHUNK);
            let part = self.columns.slice(start, end);
            self.marker.mark_step(&part, start, self.marks);
        }
    }
}

impl Columns<'_> {
    #[inline(always)]
    fn slice(&self, start: usize, end: usize) -> Self {
        Self {
            p: &self.p[start..end],
            q: &self.q[start..end],
            fate: self.fate.get(start..end).unwrap_or_default(),
            overlap: self.overlap.get(start..end).unwrap_or_default(),
            entropy: self.entropy.get(start..end).unwrap_or_default(),
        }
    }
}

impl Marker {
    #[inline(always)]
    fn mark_step(&self, c: &Columns<'_>, first: usize, marks: &mut Marks) {
        let parts = self.parts;
        self.mark_cells(c, first, marks);
        if parts.any(&[Part::Surer, Part::Prompts]) {
            marks.codes.extend(
                c.rows().map(|(p, q, verdict)| verdict + 2 * rules::surer(p, q, self.over_confident_ratio)),
            );
        }
        if parts.has(Part::Units) {
            marks.units.extend(c.rows().map(|(p, q, verdict)| {
                let start = u32::from(verdict) * N_UNIT_CELLS as u32;
                rules::unit_cells(p, q).map(|cell| start + cell)
            }));
        }
        if c.fate.is_empty() || !parts.any(&[Part::Prompts, Part::Calibration]) {
            return;
        }
        let ratios = &mut marks.scratch.ratio[..c.p.len()];
        for (ratio, (p, q, _)) in ratios.iter_mut().zip(c.rows()) {
            *ratio = rules::min_ratio(p, q);
        }
        if parts.has(Part::Calibration) {
            marks.ratios.extend(ratios.iter().zip(c.fate).map(|(ratio, fate)| {
                (2 * self.bins.of_ratio(*ratio) + u32::from(*fate), round(*ratio * FIXED_ONE))
            }));
        }
        if parts.has(Part::Prompts) {
            let values = ratios.iter().zip(c.overlap).zip(c.entropy);
            marks
                .measures
                .extend(values.map(|((ratio, overlap), entropy)| measure(*ratio, *overlap, *entropy)));
        }
    }

    #[inline(always)]
    fn mark_cells(&self, c: &Columns<'_>, first: usize, marks: &mut Marks) {
        let n = c.p.len();
        let Scratch { start, list, row, .. } = &mut *marks.scratch;
        let (start, list, row) = (&mut start[..n], &mut list[..n], &mut row[..n]);
        start.fill(0);
        for (start, fate) in start.iter_mut().zip(c.fate) {
            *start = self.layout.stride as u32 & u32::from(*fate).wrapping_neg();
        }
        let counted = HISTOGRAMS.into_iter().filter(|part| self.parts.has(*part));
        for (at, part) in counted.enumerate() {
            self.bins.fill(part, (c.p, c.q), start, &self.layout, row, list);
            let cells = marks.cells[first * marks.width..].chunks_exact_mut(marks.width);
            for (cells, cell) in cells.zip(&*list) {
                cells[at] = *cell;
            }
        }
    }
}

impl Columns<'_> {
    /// p, q and verdict of each row.
    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = (f64, f64, u8)> + '_ {
        let fate = |at: usize| self.fate.get(at).copied().unwrap_or(0);
        let rows = self.p.iter().zip(self.q).enumerate();
        rows.map(move |(at, (p, q))| (f64::from(*p), f64::from(*q), fate(at)))
    }
}

#[inline(always)]
fn measure(ratio: f64, overlap: f32, entropy: f32) -> Measure {
    let clipped = f64::from(overlap).clamp(0.0, 1.0);
    let known = |value: f32, fixed: i64| if value.is_nan() { 0 } else { fixed };
    let finite = if entropy.is_nan() { 0.0 } else { f64::from(entropy) };
    Measure {
        overlap: known(overlap, round(clipped * FIXED_ONE)),
        severity: round((1.0 - ratio) * FIXED_ONE),
        entropy: round(finite * FIXED_ONE),
        n_overlap: u32::from(!overlap.is_nan()),
        n_entropy: u32::from(!entropy.is_nan()),
    }
}

/// Verdicts among judged rows.
pub const N_JUDGED: usize = N_VERDICTS - 1;
/// Codes of a row, see [`Marks::codes`].
pub const N_CODES: usize = 3 * N_JUDGED;

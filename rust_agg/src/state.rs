//! What a fold has counted so far. States merge, in any order and any tree, to the same bits.

use std::sync::Arc;

use crate::cells::{DISCARDED, Layout, N_VERDICTS, unit_cell};
use crate::error::{Error, Result};
use crate::grid::Grids;
use crate::groups::Groups;
use crate::parts::{Part, Parts};
use crate::shelf::{Shelf, shelf_of, shelves};
use crate::sorted::{Add, Sorted, add_lists};
use crate::sums::{CalibrationBin, N_CALIBRATION_BINS, SampleSums, add_all};

/// What a fold is told beforehand: states merge only where this is equal.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The bins.
    pub grids: Grids,
    /// The groups.
    pub groups: Arc<Groups>,
    /// The draft is over-confident where q > p and q ≥ this · p.
    pub over_confident_ratio: f64,
    /// What is counted.
    pub parts: Parts,
    pub(crate) layout: Layout,
}

impl Setup {
    /// Check the ratio and join the four.
    ///
    /// # Errors
    /// [`Error::Argument`] where the ratio is below 1 or not finite.
    pub fn new(grids: Grids, groups: Arc<Groups>, over_confident_ratio: f64, parts: Parts) -> Result<Self> {
        if !(over_confident_ratio.is_finite() && over_confident_ratio >= 1.0) {
            return Err(Error::Argument(format!(
                "over_confident_ratio must be a finite number of at least 1, found {over_confident_ratio}"
            )));
        }
        let layout = Layout::new(&grids, parts);
        Ok(Self { grids, groups, over_confident_ratio, parts, layout })
    }

    /// Prompts whose draft positions are counted: all of them, or none.
    pub(crate) fn n_placed_prompts(&self) -> usize {
        if self.parts.has(Part::PromptPositions) { self.groups.prompts().len() } else { 0 }
    }

    /// The same with one part alone.
    #[must_use]
    pub fn only(&self, part: Part) -> Self {
        let parts = [part].into_iter().collect();
        Self { parts, layout: Layout::new(&self.grids, parts), ..self.clone() }
    }

    /// Which part differs from another setup, if any does.
    #[must_use]
    #[allow(clippy::float_cmp, reason = "equal means the same number")]
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.grids != other.grids {
            Some("grids")
        } else if !Arc::ptr_eq(&self.groups, &other.groups) && self.groups != other.groups {
            Some("groups")
        } else if self.over_confident_ratio != other.over_confident_ratio {
            Some("over_confident_ratio")
        } else if self.parts != other.parts {
            Some("parts")
        } else {
            None
        }
    }
}

/// What is known of discarded tokens. A replay may not have the drafts' continuations that tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Discarded {
    /// Everything, as in a fold.
    #[default]
    Full,
    /// How many and where, but not p: their histograms are empty.
    Counted,
    /// Nothing: neither how many were drafted, nor which rounds EOS or the threshold cut.
    Unknown,
}

impl Discarded {
    /// All of them, in the order of the saved form.
    pub const ALL: [Self; 3] = [Self::Full, Self::Counted, Self::Unknown];

    /// Its name, as users read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Counted => "counted",
            Self::Unknown => "unknown",
        }
    }
}

/// All counters of a fold. Everything is an integer (sums are fixed point), so adding is exact in any order.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) setup: Arc<Setup>,
    pub(crate) discarded: Discarded,
    pub(crate) n_rows: u64,
    pub(crate) n_rows_unmapped: u64,
    pub(crate) n_rounds: u64,
    pub(crate) n_rounds_unmapped: u64,
    /// Histograms by group and verdict, see [`Layout`].
    pub(crate) cells: Vec<u64>,
    /// Counts by draft position, for each group and verdict; the last one is never zero.
    pub(crate) positions: Vec<Vec<u64>>,
    /// Tokens, tokens with q > p, and over-confident ones, for each group and verdict.
    pub(crate) surer: Vec<[u64; 3]>,
    /// Histograms by unit; none before its first token.
    pub(crate) units: Vec<Option<Box<[u64]>>>,
    /// What is counted by prompt.
    pub(crate) shelves: Vec<Shelf>,
    pub(crate) calibration: [CalibrationBin; N_CALIBRATION_BINS],
}

impl State {
    /// How many cells a state of this setup has; `None` where that is no number.
    #[must_use]
    pub fn n_cells(setup: &Setup) -> Option<usize> {
        (setup.groups.group_names().len() * N_VERDICTS).checked_mul(setup.layout.stride)
    }

    /// A state that has counted nothing.
    #[must_use]
    pub fn empty(setup: Arc<Setup>) -> Self {
        let blocks = setup.groups.group_names().len() * N_VERDICTS;
        Self {
            discarded: Discarded::Full,
            n_rows: 0,
            n_rows_unmapped: 0,
            n_rounds: 0,
            n_rounds_unmapped: 0,
            cells: vec![0; blocks * setup.layout.stride],
            positions: vec![Vec::new(); blocks],
            surer: vec![[0; 3]; blocks],
            units: vec![None; setup.groups.unit_names().len()],
            shelves: shelves(setup.groups.prompts().len(), setup.n_placed_prompts()),
            calibration: [CalibrationBin::default(); N_CALIBRATION_BINS],
            setup,
        }
    }

    /// The setup it was made with.
    #[must_use]
    pub fn setup(&self) -> &Arc<Setup> {
        &self.setup
    }

    /// What is known of discarded tokens.
    #[must_use]
    pub fn discarded(&self) -> Discarded {
        self.discarded
    }

    /// Rows of traces counted.
    #[must_use]
    pub fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// Rows of traces left out because their prompt is in no group.
    #[must_use]
    pub fn n_rows_unmapped(&self) -> u64 {
        self.n_rows_unmapped
    }

    /// Rounds counted.
    #[must_use]
    pub fn n_rounds(&self) -> u64 {
        self.n_rounds
    }

    /// Rounds left out because their prompt is in no group.
    #[must_use]
    pub fn n_rounds_unmapped(&self) -> u64 {
        self.n_rounds_unmapped
    }

    /// Counts by prompt index and sample, sorted.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &((u32, u16), SampleSums)> + Clone {
        self.shelves.iter().flat_map(|shelf| shelf.samples.entries())
    }

    /// Add counts by prompt index and sample.
    pub(crate) fn add_samples(&mut self, entries: Vec<((u32, u16), SampleSums)>) {
        let sorted = Sorted::new(entries);
        for entries in sorted.entries().chunk_by(|left, right| shelf_of(left.0.0) == shelf_of(right.0.0)) {
            self.shelves[shelf_of(entries[0].0.0)].samples.merge(Sorted::new(entries.to_vec()));
        }
    }

    /// For each prompt, by position: judged tokens by verdict.
    pub(crate) fn judged_by_position(&self) -> impl Iterator<Item = &Vec<[u64; 2]>> {
        self.shelves.iter().flat_map(|shelf| &shelf.positions)
    }

    /// The same, to be added to.
    pub(crate) fn judged_by_position_mut(&mut self) -> impl Iterator<Item = &mut Vec<[u64; 2]>> {
        self.shelves.iter_mut().flat_map(|shelf| &mut shelf.positions)
    }

    /// Prompt index, token and counts of judged tokens with q > p, sorted.
    pub(crate) fn surer_tokens(&self) -> impl Iterator<Item = (u32, u32, [u64; 2])> {
        self.shelves.iter().flat_map(|shelf| shelf.tokens.iter())
    }

    /// Refuse where a part was not counted.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn require(&self, part: Part) -> Result<()> {
        if self.setup.parts.has(part) {
            return Ok(());
        }
        let (name, parts) = (part.name(), self.setup.parts.names().join(", "));
        Err(Error::State(format!("{name:?} was not counted: this state was made with the parts {parts}")))
    }

    /// Whether it has counted no row and no round.
    fn is_empty(&self) -> bool {
        self.n_rows + self.n_rows_unmapped + self.n_rounds + self.n_rounds_unmapped == 0
    }

    /// Whether it holds anything of a discarded token.
    fn has_discarded(&self) -> bool {
        let of_discarded = |at: usize| at % N_VERDICTS == DISCARDED;
        let some = |counts: &[u64]| counts.iter().any(|count| *count > 0);
        let mut blocks = self.cells.chunks_exact(self.setup.layout.stride.max(1)).enumerate();
        blocks.any(|(at, cells)| of_discarded(at) && some(cells))
            || self.positions.iter().enumerate().any(|(at, counts)| of_discarded(at) && some(counts))
            || self.surer.iter().enumerate().any(|(at, counts)| of_discarded(at) && some(counts))
            || self.units.iter().flatten().any(|cells| some(&cells[unit_cell(DISCARDED, 0, 0)..]))
            || self.samples().any(|(_, sums)| sums.verdicts[DISCARDED] > 0)
    }

    /// What is known of discarded tokens in both together; none where one knows what the other does not. A state without
    /// any rows goes with every other, and one without discarded tokens with one that has only counted them.
    fn know_together(&self, other: &Self) -> Option<Discarded> {
        use Discarded::{Counted, Full};
        match (self.discarded, other.discarded) {
            (mine, theirs) if mine == theirs => Some(mine),
            (mine, theirs) if self.is_empty() && other.is_empty() => Some(mine.max(theirs)),
            (_, theirs) if self.is_empty() => Some(theirs),
            (mine, _) if other.is_empty() => Some(mine),
            (Full, Counted) => (!self.has_discarded()).then_some(Counted),
            (Counted, Full) => (!other.has_discarded()).then_some(Counted),
            _ => None,
        }
    }

    /// Say what is known of discarded tokens, and forget what is not.
    pub(crate) fn know(&mut self, discarded: Discarded) {
        self.discarded = discarded;
        if discarded == Discarded::Full {
            return;
        }
        let stride = self.setup.layout.stride;
        for group in 0..self.setup.groups.group_names().len() {
            let block = self.setup.layout.block(group, DISCARDED);
            self.cells[block..block + stride].fill(0);
            self.surer[group * N_VERDICTS + DISCARDED][1..].fill(0);
        }
        for cells in self.units.iter_mut().flatten() {
            cells[unit_cell(DISCARDED, 0, 0)..].fill(0);
        }
    }

    /// Add everything another state has counted.
    ///
    /// # Errors
    /// [`Error::State`] where the states were made with different grids, groups, ratios or parts, or differ in what they
    /// know of discarded tokens.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if !Arc::ptr_eq(&self.setup, &other.setup)
            && let Some(part) = self.setup.difference(&other.setup)
        {
            return Err(Error::State(format!("these states cannot be merged: their {part} differ")));
        }
        let Some(discarded) = self.know_together(other) else {
            let (mine, theirs) = (self.discarded.name(), other.discarded.name());
            return Err(Error::State(format!(
                "these states cannot be merged: discarded tokens are {mine} in one and {theirs} in the other"
            )));
        };
        self.discarded = discarded;
        self.n_rows += other.n_rows;
        self.n_rows_unmapped += other.n_rows_unmapped;
        self.n_rounds += other.n_rounds;
        self.n_rounds_unmapped += other.n_rounds_unmapped;
        add_all(&mut self.cells, &other.cells);
        for (left, right) in self.positions.iter_mut().zip(&other.positions) {
            add_lists(left, right);
        }
        for (left, right) in self.surer.iter_mut().zip(&other.surer) {
            add_all(left, right);
        }
        for (left, right) in self.units.iter_mut().zip(&other.units) {
            match (left, right) {
                (Some(left), Some(right)) => add_all(left, right),
                (left @ None, Some(right)) => *left = Some(right.clone()),
                (_, None) => {}
            }
        }
        for (left, right) in self.shelves.iter_mut().zip(&other.shelves) {
            left.merge(right.clone());
        }
        for (left, right) in self.calibration.iter_mut().zip(&other.calibration) {
            left.add(right);
        }
        Ok(())
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.setup.difference(&other.setup).is_none()
            && self.discarded == other.discarded
            && self.n_rows == other.n_rows
            && self.n_rows_unmapped == other.n_rows_unmapped
            && self.n_rounds == other.n_rounds
            && self.n_rounds_unmapped == other.n_rounds_unmapped
            && self.cells == other.cells
            && self.positions == other.positions
            && self.surer == other.surer
            && self.units == other.units
            && self.shelves == other.shelves
            && self.calibration == other.calibration
    }
}

//! What a fold has counted so far. States merge, in any order and any tree, to the same bits.

use std::sync::Arc;

use crate::cells::{Layout, N_VERDICTS};
use crate::error::{Error, Result};
use crate::grid::Grids;
use crate::groups::Groups;
use crate::parts::{Part, Parts};
use crate::sorted::{Add, Sorted};
use crate::sums::{CalibrationBin, N_CALIBRATION_BINS, SampleSums, add_all};
use crate::token_counts::TokenCounts;

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

/// All counters of a fold. Everything is an integer (sums are fixed point), so adding is exact in any order.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) setup: Arc<Setup>,
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
    /// By (prompt index, sample).
    pub(crate) samples: Sorted<(u32, u16), SampleSums>,
    /// For each prompt, by position: judged tokens by verdict; the last one is never zero.
    pub(crate) prompt_positions: Vec<Vec<[u64; 2]>>,
    /// By (prompt index, token): judged tokens with q > p, by verdict. Kept by prompt, not by unit, so that distinct
    /// prompts stay distinct under any merge.
    pub(crate) tokens: TokenCounts,
    pub(crate) calibration: [CalibrationBin; N_CALIBRATION_BINS],
}

impl State {
    /// A state that has counted nothing.
    #[must_use]
    pub fn empty(setup: Arc<Setup>) -> Self {
        let blocks = setup.groups.group_names().len() * N_VERDICTS;
        Self {
            n_rows: 0,
            n_rows_unmapped: 0,
            n_rounds: 0,
            n_rounds_unmapped: 0,
            cells: vec![0; blocks * setup.layout.stride],
            positions: vec![Vec::new(); blocks],
            surer: vec![[0; 3]; blocks],
            units: vec![None; setup.groups.unit_names().len()],
            samples: Sorted::default(),
            prompt_positions: vec![Vec::new(); setup.groups.prompts().len()],
            tokens: TokenCounts::default(),
            calibration: [CalibrationBin::default(); N_CALIBRATION_BINS],
            setup,
        }
    }

    /// The setup it was made with.
    #[must_use]
    pub fn setup(&self) -> &Arc<Setup> {
        &self.setup
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

    /// Add everything another state has counted.
    ///
    /// # Errors
    /// [`Error::State`] where the states were made with different grids, groups, ratios or parts.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if !Arc::ptr_eq(&self.setup, &other.setup)
            && let Some(part) = self.setup.difference(&other.setup)
        {
            return Err(Error::State(format!("these states cannot be merged: their {part} differ")));
        }
        self.n_rows += other.n_rows;
        self.n_rows_unmapped += other.n_rows_unmapped;
        self.n_rounds += other.n_rounds;
        self.n_rounds_unmapped += other.n_rounds_unmapped;
        add_all(&mut self.cells, &other.cells);
        for (left, right) in self.positions.iter_mut().zip(&other.positions) {
            left.resize(left.len().max(right.len()), 0);
            add_all(left, right);
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
        self.samples.merge(other.samples.clone());
        for (left, right) in self.prompt_positions.iter_mut().zip(&other.prompt_positions) {
            left.resize(left.len().max(right.len()), [0; 2]);
            for (left, right) in left.iter_mut().zip(right) {
                add_all(left, right);
            }
        }
        self.tokens.merge(other.tokens.clone());
        for (left, right) in self.calibration.iter_mut().zip(&other.calibration) {
            left.add(right);
        }
        Ok(())
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.setup.difference(&other.setup).is_none()
            && self.n_rows == other.n_rows
            && self.n_rows_unmapped == other.n_rows_unmapped
            && self.n_rounds == other.n_rounds
            && self.n_rounds_unmapped == other.n_rounds_unmapped
            && self.cells == other.cells
            && self.positions == other.positions
            && self.surer == other.surer
            && self.units == other.units
            && self.samples == other.samples
            && self.prompt_positions == other.prompt_positions
            && self.tokens == other.tokens
            && self.calibration == other.calibration
    }
}

//! The fold itself: columns of rows into counters. No files, no Arrow, no Python.
//!
//! Rows go through in chunks that stay in the first-level cache. A first pass turns the columns of a chunk into indices
//! of counters, without branches; a second adds one at each index, run by run of rows of one prompt and sample. Counters
//! have 32 bits and are flushed into the 64 bits of a [`crate::state::State`].

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bins, and indices into a block or a chunk"
)]

mod flush;
mod second_pass;

use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use crate::by_prompt::ByPrompt;
use crate::cells::N_VERDICTS;
use crate::chunk::{CHUNK, Chunk, N_CODES};
use crate::error::Fault;
use crate::parts::Part;
use crate::plan::Plan;
use crate::rows::{RoundColumns, TraceColumns, are_fine, first_fault};
use crate::rules::{Bins, HISTOGRAMS};
use crate::runs::KeyRun;
use crate::state::Setup;
use crate::sums::{N_CALIBRATION_BINS, SampleSums};

/// Draft positions that have room from the start.
const POSITIONS: usize = 32;

/// Counters of one thread.
pub struct Counter {
    setup: Arc<Setup>,
    bins: Bins,
    groups: Plan,
    units: Plan,
    /// Draft positions that have room, from 0.
    n_positions: usize,
    /// By block of groups and verdict: the bins of [`crate::cells::Layout`], then the draft positions. The last block
    /// takes the rows of prompts in no group, so that nothing has to branch on them; it is never read.
    cells: Vec<u32>,
    /// By block of groups: rows by code.
    codes: Vec<[u32; N_CODES]>,
    /// By block of units; empty before its first row.
    unit_cells: Vec<Vec<u32>>,
    by_prompt: ByPrompt,
    /// By bin × verdict, twice: two rows in turn.
    calibration: [[u32; N_CALIBRATION_BINS * N_VERDICTS]; 2],
    ratios: [i128; N_CALIBRATION_BINS],
    n_rows: u64,
    n_rows_unmapped: u64,
    n_rounds: u64,
    n_rounds_unmapped: u64,
    /// Rows since the last flush; no counter can be larger.
    pending: u32,
    /// Histograms by group that are counted.
    n_lists: usize,
    /// Those of the chunk.
    runs: Vec<Run>,
    last_prompt: Option<(u64, Option<u32>)>,
    chunk: Box<Chunk>,
    arch: pulp::Arch,
}

impl Counter {
    /// Counters at zero.
    #[must_use]
    pub fn new(setup: Arc<Setup>) -> Self {
        // Indices of counters have 32 bits, also where all positions have room.
        let largest = N_VERDICTS * (setup.layout.stride + (1 << 16));
        let groups = Plan::of_groups(&setup.groups, u32::MAX as usize / largest - 1);
        let has_units = setup.parts.has(Part::Units);
        let units = if has_units { Plan::of_units(&setup.groups) } else { Plan::default() };
        let n_positions = if setup.parts.has(Part::Positions) { POSITIONS } else { 0 };
        let n_blocks = groups.targets().len();
        let size = N_VERDICTS * (setup.layout.stride + n_positions);
        Self {
            bins: Bins::new(&setup),
            n_positions,
            cells: vec![0; (n_blocks + 1) * size],
            codes: vec![[0; N_CODES]; n_blocks],
            unit_cells: vec![Vec::new(); units.targets().len()],
            by_prompt: ByPrompt::new(setup.groups.prompts().len(), setup.n_placed_prompts()),
            calibration: [[0; N_CALIBRATION_BINS * N_VERDICTS]; 2],
            ratios: [0; N_CALIBRATION_BINS],
            n_rows: 0,
            n_rows_unmapped: 0,
            n_rounds: 0,
            n_rounds_unmapped: 0,
            pending: 0,
            n_lists: HISTOGRAMS
                .into_iter()
                .chain([Part::Positions])
                .filter(|part| setup.parts.has(*part))
                .count(),
            runs: Vec::new(),
            last_prompt: None,
            chunk: Box::default(),
            arch: pulp::Arch::new(),
            groups,
            units,
            setup,
        }
    }

    /// The setup it was made with.
    #[must_use]
    pub fn setup(&self) -> &Arc<Setup> {
        &self.setup
    }

    /// Whether so many rows more could overflow a counter: [`Counter::flush`] first.
    #[must_use]
    pub fn is_full(&self, rows: usize) -> bool {
        u32::try_from(rows).ok().and_then(|rows| self.pending.checked_add(rows)).is_none()
    }

    /// Check rows of `traces` and count them. `runs` says whose they are, and may go on beyond them.
    ///
    /// # Errors
    /// The first row that breaks the contract, see [`first_fault`]; what has been counted is useless then.
    ///
    /// # Panics
    /// Where a column that is needed is shorter than the others, the runs end before the rows, or the counter is full.
    pub fn fold_traces(&mut self, runs: &[KeyRun], c: &TraceColumns<'_>) -> Result<(), Fault> {
        let n = c.verdict.len();
        assert!(!self.is_full(n), "a full counter");
        self.pending += n as u32;
        let arch = self.arch;
        let mut runs = runs.iter().peekable();
        for start in (0..n).step_by(CHUNK) {
            let end = n.min(start + CHUNK);
            let rows = c.slice(&(start..end));
            self.place_runs(&mut runs, start, end);
            let folded = arch.dispatch(FoldChunk { counter: self, rows });
            folded.map_err(|fault| Fault { row: start + fault.row, ..fault })?;
        }
        Ok(())
    }

    /// Count the rows of a chunk, or say which is the first that breaks the contract.
    #[inline(always)]
    fn fold_chunk(&mut self, rows: &TraceColumns<'_>) -> Result<(), Fault> {
        if !are_fine(rows)
            && let Some(fault) = first_fault(rows)
        {
            return Err(fault);
        }
        self.make_room(rows.position);
        self.place_blocks();
        self.chunk.fill(rows, &self.setup, &self.bins, self.n_positions);
        self.second_pass(rows.verdict.len());
        Ok(())
    }

    /// Take the runs of the rows from `start` to `end`; the last one may go on in the next chunk.
    fn place_runs<'a>(
        &mut self,
        runs: &mut Peekable<impl Iterator<Item = &'a KeyRun>>,
        start: usize,
        end: usize,
    ) {
        self.runs.clear();
        let mut from = start;
        while from < end {
            let run = **runs.peek().expect("runs of all rows");
            let to = end.min(run.end as usize);
            if to == run.end as usize {
                runs.next();
            }
            let index = self.index_of(run.prompt);
            self.runs.push(Run { index, sample: run.sample, rows: from - start..to - start });
            from = to;
        }
    }

    /// Say for each row of the chunk where its block of groups begins.
    #[inline(always)]
    fn place_blocks(&mut self) {
        let size = N_VERDICTS * (self.setup.layout.stride + self.n_positions);
        for run in &self.runs {
            let block = self.groups.shared(run.index).unwrap_or_default();
            self.chunk.start[run.rows.clone()].fill(block * size as u32);
        }
    }

    fn index_of(&mut self, prompt: u64) -> Option<u32> {
        match self.last_prompt {
            Some((last, index)) if last == prompt => index,
            _ => {
                let index = self.setup.groups.index_of(prompt);
                self.last_prompt = Some((prompt, index));
                index
            }
        }
    }
}

/// The same code compiled for each generation of vector instructions, and chosen when it runs.
struct FoldChunk<'a> {
    counter: &'a mut Counter,
    rows: TraceColumns<'a>,
}

impl pulp::WithSimd for FoldChunk<'_> {
    type Output = Result<(), Fault>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
        self.counter.fold_chunk(&self.rows)
    }
}

/// Rows of a chunk that are of one prompt and sample.
struct Run {
    /// The prompt's index, if it is in any group.
    index: Option<u32>,
    sample: u16,
    rows: Range<usize>,
}

impl Counter {
    /// Make room for the draft positions of a chunk.
    #[inline(always)]
    fn make_room(&mut self, position: &[u16]) {
        if self.n_positions == 0 {
            return;
        }
        let largest = usize::from(position.iter().fold(0, |largest, position| largest.max(*position)));
        if largest < self.n_positions {
            return;
        }
        let (stride, before) = (self.setup.layout.stride, self.n_positions);
        self.n_positions = (largest + 1).next_power_of_two();
        let wider = stride + self.n_positions;
        let mut cells = vec![0; self.cells.len() / (stride + before) * wider];
        for (wide, narrow) in cells.chunks_exact_mut(wider).zip(self.cells.chunks_exact(stride + before)) {
            wide[..stride + before].copy_from_slice(narrow);
        }
        self.cells = cells;
    }

    /// Count rows of `rounds` that have been checked. `runs` says whose they are, and may go on beyond them.
    ///
    /// # Panics
    /// Where a column is shorter than the others.
    pub fn fold_rounds(&mut self, runs: &[KeyRun], c: &RoundColumns<'_>) {
        let mut rows = 0..0;
        for run in runs {
            rows = rows.end..c.censored.len().min(run.end as usize);
            let n = rows.len() as u64;
            match self.index_of(run.prompt) {
                Some(index) if n > 0 => {
                    self.n_rounds += n;
                    self.by_prompt.add_sample((index, run.sample), sums_of_rounds(c, rows.clone()));
                }
                Some(_) => {}
                None => self.n_rounds_unmapped += n,
            }
        }
    }
}

fn sums_of_rounds(c: &RoundColumns<'_>, rows: Range<usize>) -> SampleSums {
    let mut sums = SampleSums { n_rounds: rows.len() as u64, ..SampleSums::default() };
    for row in rows {
        sums.n_requested += u64::from(c.requested[row]);
        sums.n_emitted += u64::from(c.emitted[row]);
        if let Some(reason) = c.censored[row].checked_sub(1) {
            sums.cut[usize::from(reason)] += 1;
        }
    }
    sums
}

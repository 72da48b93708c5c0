//! The fold itself: columns of rows into counters. No files, no Arrow, no Python.
//!
//! Rows go through in chunks that stay in the first-level cache. A first pass turns the columns of a chunk into indices
//! of counters, without branches; a second adds one at each index, run by run of rows of one prompt and sample. Counters
//! have 32 bits and are flushed into the 64 bits of a [`State`].

#![allow(
    clippy::inline_always,
    reason = "code that is not inlined is not compiled for the vector instructions at hand"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bins, and indices into a block or a chunk"
)]

use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use crate::cells::{N_UNIT_CELLS, N_VERDICTS};
use crate::chunk::{Bins, CHUNK, Chunk, N_CODES, PACKED_ONE};
use crate::error::Fault;
use crate::parts::Part;
use crate::plan::Plan;
use crate::rows::{RoundColumns, TraceColumns, are_fine, first_fault};
use crate::runs::{KeyRun, run_end};
use crate::sorted::{Add, Sorted};
use crate::state::Setup;
use crate::sums::{N_CALIBRATION_BINS, SampleSums};
use crate::tokens::TokenLog;

/// Draft positions that have room from the start.
const POSITIONS: usize = 32;
/// Sums by prompt and sample that are kept before those of one key are first added up.
pub(crate) const FIRST_COMPACTION: usize = 1 << 17;

/// Counters of one thread.
pub struct Counter {
    pub(crate) setup: Arc<Setup>,
    bins: Bins,
    pub(crate) groups: Plan,
    pub(crate) units: Plan,
    /// Draft positions that have room, from 0.
    pub(crate) n_positions: usize,
    /// By block of groups and verdict: the bins of [`crate::cells::Layout`], then the draft positions. The last block
    /// takes the rows of prompts in no group, so that nothing has to branch on them; it is never read.
    pub(crate) cells: Vec<u32>,
    /// By block of groups: rows by code.
    pub(crate) codes: Vec<[u32; N_CODES]>,
    /// By block of units; empty before its first row.
    pub(crate) unit_cells: Vec<Vec<u32>>,
    pub(crate) samples: Vec<((u32, u16), SampleSums)>,
    pub(crate) compact_at: usize,
    /// By prompt: position × verdict.
    pub(crate) prompt_positions: Vec<Vec<u32>>,
    pub(crate) tokens: TokenLog,
    /// By bin × verdict, twice: two rows in turn.
    pub(crate) calibration: [[u32; N_CALIBRATION_BINS * N_VERDICTS]; 2],
    pub(crate) ratios: [i128; N_CALIBRATION_BINS],
    pub(crate) n_rows: u64,
    pub(crate) n_rows_unmapped: u64,
    pub(crate) n_rounds: u64,
    pub(crate) n_rounds_unmapped: u64,
    /// Rows since the last flush; no counter can be larger.
    pub(crate) pending: u32,
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
        let members = |index| setup.groups.members(index).iter();
        let prompts = 0..u32::try_from(setup.groups.prompts().len()).unwrap_or(u32::MAX);
        let groups = prompts.clone().map(|index| members(index).map(|member| member.group).collect());
        // Indices of counters have 32 bits, also where all positions have room.
        let largest = N_VERDICTS * (setup.layout.stride + (1 << 16));
        let groups = Plan::new(groups, setup.groups.group_names().len(), u32::MAX as usize / largest - 1);
        let units = prompts.clone().map(|index| members(index).map(|member| member.unit).collect());
        let units = Plan::new(units, setup.groups.unit_names().len(), usize::MAX);
        let n_positions = if setup.parts.has(Part::Positions) { POSITIONS } else { 0 };
        let n_blocks = groups.targets().len();
        let size = N_VERDICTS * (setup.layout.stride + n_positions);
        Self {
            bins: Bins::new(&setup),
            n_positions,
            cells: vec![0; (n_blocks + 1) * size],
            codes: vec![[0; N_CODES]; n_blocks],
            unit_cells: vec![Vec::new(); units.targets().len()],
            samples: Vec::new(),
            compact_at: FIRST_COMPACTION,
            prompt_positions: vec![Vec::new(); prompts.len()],
            tokens: TokenLog::default(),
            calibration: [[0; N_CALIBRATION_BINS * N_VERDICTS]; 2],
            ratios: [0; N_CALIBRATION_BINS],
            n_rows: 0,
            n_rows_unmapped: 0,
            n_rounds: 0,
            n_rounds_unmapped: 0,
            pending: 0,
            n_lists: [Part::P, Part::Q, Part::Difference, Part::LogRatio, Part::Joint, Part::Positions]
                .into_iter()
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
            if !arch.dispatch(FoldChunk { counter: self, rows })
                && let Some(fault) = first_fault(&rows)
            {
                return Err(Fault { row: start + fault.row, ..fault });
            }
        }
        Ok(())
    }

    /// Count the rows of a chunk; whether certainly none breaks the contract.
    #[inline(always)]
    fn fold_chunk(&mut self, rows: &TraceColumns<'_>) -> bool {
        let fine = are_fine(rows);
        if !fine && first_fault(rows).is_some() {
            return false;
        }
        self.make_room(rows.position);
        self.place_blocks();
        self.chunk.fill(rows, &self.setup, &self.bins, self.n_positions);
        self.second_pass(rows.verdict.len());
        true
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
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> bool {
        self.counter.fold_chunk(&self.rows)
    }
}

impl Counter {
    /// From indices to counts.
    #[inline(always)]
    fn second_pass(&mut self, n: usize) {
        let runs = std::mem::take(&mut self.runs);
        if self.groups.is_shared() {
            self.count_groups(0, 0..n);
        }
        let ratios = self.setup.parts.has(Part::Calibration);
        let all_mapped = runs.iter().all(|run| run.index.is_some());
        if ratios && all_mapped {
            self.count_ratios(0..n);
        }
        for run in &runs {
            if ratios && !all_mapped && run.index.is_some() {
                self.count_ratios(run.rows.clone());
            }
            let n = run.rows.len() as u64;
            match run.index {
                Some(index) => {
                    self.n_rows += n;
                    self.count_run(index, run.sample, run.rows.clone());
                }
                None => self.n_rows_unmapped += n,
            }
        }
        self.runs = runs;
    }

    /// Count rows of a chunk in the block of groups that begins at `start`, or in the blocks that their indices name.
    #[inline(always)]
    fn count_groups(&mut self, start: usize, rows: Range<usize>) {
        let cells = &mut self.cells[start..];
        let lists = |at: usize| &self.chunk.cells[at][rows.clone()];
        match self.n_lists {
            0 => {}
            1 => count(cells, [lists(0)]),
            2 => count(cells, [lists(0), lists(1)]),
            3 => count(cells, [lists(0), lists(1), lists(2)]),
            4 => count(cells, [lists(0), lists(1), lists(2), lists(3)]),
            5 => count(cells, [lists(0), lists(1), lists(2), lists(3), lists(4)]),
            _ => count(cells, [lists(0), lists(1), lists(2), lists(3), lists(4), lists(5)]),
        }
    }
}

/// Rows of a chunk that are of one prompt and sample.
struct Run {
    /// The prompt's index, if it is in any group.
    index: Option<u32>,
    sample: u16,
    rows: Range<usize>,
}

/// Add one at each index of each list. The lists go side by side, since additions to one counter wait for each other.
#[inline(always)]
fn count<const N: usize>(counters: &mut [u32], lists: [&[u32]; N]) {
    let n = lists.first().map_or(0, |list| list.len());
    let lists = lists.map(|list| &list[..n]);
    for row in 0..n {
        for list in lists {
            counters[list[row] as usize] += 1;
        }
    }
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

    /// Count a run of rows of one prompt and sample.
    #[inline(always)]
    fn count_run(&mut self, index: u32, sample: u16, run: Range<usize>) {
        if !self.groups.is_shared() {
            let size = N_VERDICTS * (self.setup.layout.stride + self.n_positions);
            for at in 0..self.groups.blocks(index).len() {
                self.count_groups(self.groups.blocks(index)[at] as usize * size, run.clone());
            }
        }
        let Self { setup, chunk, groups, units, tokens, .. } = self;
        let parts = setup.parts;
        let codes = parts.any(&[Part::Surer, Part::Prompts]).then(|| count_codes(&chunk.codes[run.clone()]));
        if let Some(codes) = &codes {
            for block in groups.blocks(index) {
                for (sum, more) in self.codes[*block as usize].iter_mut().zip(codes) {
                    *sum += more;
                }
            }
        }
        if parts.has(Part::Units) {
            let lists = chunk.unit_cells.each_ref().map(|list| &list[run.clone()]);
            for block in units.blocks(index) {
                let cells = &mut self.unit_cells[*block as usize];
                if cells.is_empty() {
                    cells.resize(N_UNIT_CELLS, 0);
                }
                count(&mut cells[..N_UNIT_CELLS], lists);
            }
        }
        if parts.has(Part::PromptPositions) {
            let places = &chunk.places[run.clone()];
            let counts = &mut self.prompt_positions[index as usize];
            let largest = places.iter().fold(0, |largest, place| largest.max(*place)) as usize;
            if counts.len() <= largest {
                counts.resize((largest / N_VERDICTS + 1) * N_VERDICTS, 0);
            }
            count(counts, [places]);
        }
        if parts.has(Part::Tokens) {
            tokens.add(index, &chunk.tokens[run.clone()]);
        }
        if let (true, Some(codes)) = (parts.has(Part::Prompts), codes) {
            self.add_sums(index, sample, &codes, run);
        }
    }

    /// Count the ratios of rows: each once, whatever its groups.
    #[inline(always)]
    fn count_ratios(&mut self, rows: Range<usize>) {
        let Self { chunk, calibration, ratios, .. } = self;
        // Two sets of sums by turns, since additions to one sum wait for each other.
        let mut sums = [[0_i64; N_CALIBRATION_BINS]; 2];
        let (bins, fixed) = (&chunk.ratio_bins[rows.clone()], &chunk.min_ratio[rows]);
        for (at, (bin, fixed)) in bins.iter().zip(fixed).enumerate() {
            calibration[at % 2][*bin as usize] += 1;
            sums[at % 2][*bin as usize / N_VERDICTS] += *fixed;
        }
        for (sum, more) in ratios.iter_mut().zip(sums[0].iter().zip(sums[1])) {
            *sum += i128::from(more.0 + more.1);
        }
    }

    #[inline(always)]
    fn add_sums(&mut self, index: u32, sample: u16, codes: &[u32; N_CODES], run: Range<usize>) {
        let chunk = &self.chunk;
        let code = |at: usize| u64::from(codes[at]);
        let surer = |verdict: usize| code(verdict + 3) + code(verdict + 6);
        let sum = |values: &[i64]| values.iter().sum::<i64>();
        let (overlap, severity) = (sum(&chunk.overlap[run.clone()]), sum(&chunk.severity[run.clone()]));
        let sums = SampleSums {
            verdicts: [0, 1, 2].map(|verdict| code(verdict) + surer(verdict)),
            surer: [0, 1].map(surer),
            over_confident: [code(6), code(7)],
            n_overlap: (overlap / PACKED_ONE).unsigned_abs(),
            sum_overlap: i128::from(overlap % PACKED_ONE),
            sum_severity: i128::from(severity % PACKED_ONE),
            n_entropy: (severity / PACKED_ONE).unsigned_abs(),
            sum_entropy: i128::from(sum(&chunk.entropy[run])),
            ..SampleSums::default()
        };
        self.add_sample((index, sample), sums);
    }

    /// Add sums to those of a prompt and sample: mostly the last one, or a new one.
    fn add_sample(&mut self, key: (u32, u16), sums: SampleSums) {
        match self.samples.last_mut() {
            Some((last, known)) if *last == key => known.add(&sums),
            _ => self.samples.push((key, sums)),
        }
        if self.samples.len() >= self.compact_at {
            self.compact();
        }
    }

    /// Add up the sums of each prompt and sample.
    pub(crate) fn compact(&mut self) {
        self.samples = Sorted::new(std::mem::take(&mut self.samples)).into_entries();
        self.compact_at = FIRST_COMPACTION.max(2 * self.samples.len());
    }

    /// Count rows of `rounds` that have been checked.
    ///
    /// # Panics
    /// Where a column is shorter than the rows.
    pub fn fold_rounds(&mut self, c: &RoundColumns<'_>) {
        let (prompt, sample) = (c.prompt, c.sample);
        let mut start = 0;
        while start < prompt.len() {
            let end = run_end(prompt, sample, start);
            let n = (end - start) as u64;
            match self.index_of(prompt[start]) {
                Some(index) => {
                    self.n_rounds += n;
                    self.add_sample((index, sample[start]), sums_of_rounds(c, start..end));
                }
                None => self.n_rounds_unmapped += n,
            }
            start = end;
        }
    }
}

/// How often each code stands there: nine counters of seven bits in one word, emptied before one can overflow.
#[inline(always)]
fn count_codes(codes: &[u8]) -> [u32; N_CODES] {
    let mut counts = [0; N_CODES];
    for codes in codes.chunks(127) {
        let word = codes.iter().fold(0_u64, |word, code| word + (1 << ((7 * (code & 15)) & 63)));
        for (at, count) in counts.iter_mut().enumerate() {
            *count += ((word >> (7 * at)) & 127) as u32;
        }
    }
    counts
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

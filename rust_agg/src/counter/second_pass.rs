//! The second pass: indices of counters become counts, run by run of rows of one prompt and sample.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bins, and indices into a block or a chunk"
)]

use std::ops::Range;

use super::Counter;
use crate::cells::{N_UNIT_CELLS, N_VERDICTS};
use crate::chunk::{N_CODES, PACKED_ONE};
use crate::parts::Part;
use crate::sums::{N_CALIBRATION_BINS, SampleSums};

impl Counter {
    /// From indices to counts.
    #[inline(always)]
    pub(super) fn second_pass(&mut self, n: usize) {
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

    /// Count a run of rows of one prompt and sample.
    #[inline(always)]
    fn count_run(&mut self, index: u32, sample: u16, run: Range<usize>) {
        if !self.groups.is_shared() {
            let size = N_VERDICTS * (self.setup.layout.stride + self.n_positions);
            for at in 0..self.groups.blocks(index).len() {
                self.count_groups(self.groups.blocks(index)[at] as usize * size, run.clone());
            }
        }
        let Self { setup, chunk, groups, units, by_prompt, .. } = self;
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
            let largest = places.iter().fold(0, |largest, place| largest.max(*place)) as usize;
            let counts = by_prompt.positions(index, largest);
            count(counts, [places]);
        }
        if parts.has(Part::Tokens) {
            by_prompt.add_tokens(index, &chunk.tokens[run.clone()]);
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
        self.by_prompt.add_sample((index, sample), sums);
    }
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

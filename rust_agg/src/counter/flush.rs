//! From the 32-bit counters of a thread to the 64 bits of a state.

use std::sync::Arc;

use super::Counter;
use crate::by_prompt::{self, ByPrompt};
use crate::cells::{N_UNIT_CELLS, N_VERDICTS};
use crate::chunk::N_CODES;
use crate::parts::Part;
use crate::state::State;
use crate::sums::add_all;

impl Counter {
    /// Add everything counted so far to `state`, and begin anew at zero.
    ///
    /// # Panics
    /// Where the state was not made with this counter's setup.
    pub fn flush(&mut self, state: &mut State) {
        self.flush_shared(state);
        let mut by_prompt = std::mem::replace(
            &mut self.by_prompt,
            ByPrompt::new(self.setup.groups.prompts().len(), self.setup.n_placed_prompts()),
        );
        by_prompt.close();
        let by_prompt = [by_prompt];
        for (at, sums) in state.shelves.iter_mut().enumerate() {
            sums.merge(by_prompt::shelf(&by_prompt, at));
        }
    }

    /// What is counted by prompt, closed.
    #[must_use]
    pub fn into_by_prompt(mut self) -> ByPrompt {
        self.by_prompt.close();
        self.by_prompt
    }

    /// Add to `state` what is not counted by prompt.
    ///
    /// # Panics
    /// Where the state was not made with this counter's setup.
    pub fn flush_shared(&mut self, state: &mut State) {
        assert!(Arc::ptr_eq(&self.setup, &state.setup), "a state of another setup");
        state.n_rows += std::mem::take(&mut self.n_rows);
        state.n_rows_unmapped += std::mem::take(&mut self.n_rows_unmapped);
        state.n_rounds += std::mem::take(&mut self.n_rounds);
        state.n_rounds_unmapped += std::mem::take(&mut self.n_rounds_unmapped);
        self.flush_groups(state);
        for (block, units) in self.unit_cells.iter_mut().zip(self.units.targets()) {
            for unit in units.iter().filter(|_| !block.is_empty()) {
                let cells = state.units[*unit as usize].get_or_insert_with(|| vec![0; N_UNIT_CELLS].into());
                add_counts(cells, block);
            }
            *block = Vec::new();
        }
        for counts in &mut self.calibration {
            for (bin, verdicts) in state.calibration.iter_mut().zip(counts.chunks_exact(N_VERDICTS)) {
                add_counts(&mut bin.verdicts, &verdicts[..2]);
            }
            counts.fill(0);
        }
        for (bin, ratio) in state.calibration.iter_mut().zip(&mut self.ratios) {
            bin.sum_min_ratio += std::mem::take(ratio);
        }
        self.pending = 0;
    }

    fn flush_groups(&mut self, state: &mut State) {
        let stride = self.setup.layout.stride;
        let width = stride + self.n_positions;
        for (block, groups) in self.groups.targets().iter().enumerate() {
            for verdict in 0..N_VERDICTS {
                let start = (block * N_VERDICTS + verdict) * width;
                let (cells, positions) = self.cells[start..start + width].split_at(stride);
                let used = positions.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
                let code = |at: usize| u64::from(self.codes[block][verdict + 3 * at]);
                for group in groups {
                    let at = *group as usize * N_VERDICTS + verdict;
                    add_counts(&mut state.cells[at * stride..(at + 1) * stride], cells);
                    let sums = &mut state.positions[at];
                    sums.resize(sums.len().max(used), 0);
                    add_counts(sums, &positions[..used]);
                    if self.setup.parts.has(Part::Surer) {
                        let over = code(2);
                        add_all(&mut state.surer[at], &[code(0) + code(1) + over, code(1) + over, over]);
                    }
                }
            }
        }
        self.cells.fill(0);
        self.codes.fill([0; N_CODES]);
    }
}

fn add_counts(sums: &mut [u64], counts: &[u32]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += u64::from(*count);
    }
}

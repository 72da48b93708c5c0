//! From the counters of a thread to the states of the settings.

use super::counts::{Counts, Positions};
use super::lanes::Discards;
use super::marks::{N_CODES, N_JUDGED, N_UNIT_CELLS};
use super::tally::{Plans, Tally};
use crate::cells::{DISCARDED, N_VERDICTS};
use crate::parts::Part;
use crate::sorted::add_lists;
use crate::state::State;
use crate::sums::add_all;

impl Counts {
    /// Add everything counted so far to `state`, given the counts of all positions, and those of discarded tokens with the
    /// setting's index there, and begin anew at zero.
    pub fn flush(
        &mut self,
        all: &Tally,
        discards: Option<(&Discards, usize)>,
        plans: &Plans,
        state: &mut State,
    ) {
        state.n_rows += std::mem::take(&mut self.n_rows);
        state.n_rows_unmapped += std::mem::take(&mut self.n_rows_unmapped);
        state.n_rounds += std::mem::take(&mut self.n_rounds);
        state.n_rounds_unmapped += std::mem::take(&mut self.n_rounds_unmapped);
        self.flush_groups(all, discards, plans, state);
        self.flush_units(all, discards, plans, state);
        for (block, groups) in plans.groups.targets().iter().enumerate() {
            if self.positions.width > 0 {
                let counts = counts_by_position(&self.positions, block);
                for group in groups {
                    for (verdict, counts) in counts.iter().enumerate() {
                        add_lists(&mut state.positions[*group as usize * N_VERDICTS + verdict], counts);
                    }
                }
            }
        }
        self.positions.lists.fill(0);
        state.add_samples(std::mem::take(&mut self.samples));
        for (sums, counts) in state.judged_by_position_mut().zip(&mut self.prompt_positions) {
            let counts: Vec<_> = counts.drain(..).map(|counts| counts.map(u64::from)).collect();
            add_lists(sums, &counts);
        }
        for (at, bin) in state.calibration.iter_mut().enumerate() {
            for verdict in 0..N_JUDGED {
                bin.verdicts[verdict] +=
                    u64::from(all.ratios[at][verdict] - self.skipped.ratios[at][verdict]);
            }
            bin.sum_min_ratio += all.sums[at] - self.skipped.sums[at];
        }
        self.skipped.clear();
        self.n_discarded.fill(0);
    }

    fn flush_groups(
        &self,
        all: &Tally,
        discards: Option<(&Discards, usize)>,
        plans: &Plans,
        state: &mut State,
    ) {
        let stride = state.setup.layout.stride;
        for (block, groups) in plans.groups.targets().iter().enumerate() {
            let judged = block * N_JUDGED * stride..(block + 1) * N_JUDGED * stride;
            let (all_cells, skipped) = (&all.cells[judged.clone()], &self.skipped.cells[judged]);
            let codes: [u32; N_CODES] =
                std::array::from_fn(|at| all.codes[block][at] - self.skipped.codes[block][at]);
            for group in groups {
                let at = *group as usize * N_VERDICTS;
                let cells = &mut state.cells[at * stride..(at + N_VERDICTS) * stride];
                for ((sum, all), skipped) in cells.iter_mut().zip(all_cells).zip(skipped) {
                    *sum += u64::from(all - skipped);
                }
                if let Some((discards, setting)) = discards {
                    let counts = discards.cells(block, setting);
                    cells[DISCARDED * stride..].iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                }
                if state.setup.parts.has(Part::Surer) {
                    for verdict in 0..N_JUDGED {
                        add_all(&mut state.surer[at + verdict], &surer(&codes, verdict));
                    }
                    let [surer, over] = discards.map_or([0; 2], |(counts, at)| counts.surer(block, at));
                    add_all(&mut state.surer[at + DISCARDED], &[self.n_discarded[block], surer, over]);
                }
            }
        }
    }

    fn flush_units(
        &self,
        all: &Tally,
        discards: Option<(&Discards, usize)>,
        plans: &Plans,
        state: &mut State,
    ) {
        for (block, units) in plans.units.targets().iter().enumerate() {
            let (all, skipped) = (&all.units[block], &self.skipped.units[block]);
            let judged: Vec<u64> = all
                .iter()
                .enumerate()
                .map(|(at, all)| u64::from(all - skipped.get(at).copied().unwrap_or(0)))
                .collect();
            // A unit of which nothing was judged has no histograms, as in a fold.
            if judged.iter().all(|count| *count == 0) {
                continue;
            }
            let mut counts = judged;
            if let Some((discards, setting)) = discards {
                counts.extend(discards.units(block, setting));
            }
            for unit in units {
                let room = || vec![0; N_VERDICTS * N_UNIT_CELLS].into();
                add_all(state.units[*unit as usize].get_or_insert_with(room), &counts);
            }
        }
    }
}

/// Rows, those with q > p, and over-confident ones of a verdict.
fn surer(codes: &[u32; N_CODES], verdict: usize) -> [u64; 3] {
    let code = |at: usize| u64::from(codes[verdict + N_JUDGED * at]);
    [code(0) + code(1) + code(2), code(1) + code(2), code(2)]
}

/// Drafted tokens by draft position: rejected, accepted, discarded; the last of each is not zero.
fn counts_by_position(positions: &Positions, block: usize) -> [Vec<u64>; N_VERDICTS] {
    let [through, rejected, first, last] = positions.block(block);
    let n = positions.width + 1;
    let mut counts = [(); N_VERDICTS].map(|()| vec![0; n]);
    let mut rounds = 0;
    for at in (1..positions.width).rev() {
        rounds += u64::from(through[at]) + u64::from(rejected[at]);
        counts[1][at] = rounds;
    }
    let mut going_on = 0;
    for at in 0..positions.width {
        counts[0][at + 1] = u64::from(rejected[at]);
        going_on += u64::from(first[at]);
        counts[DISCARDED][at] = going_on;
        going_on -= u64::from(last[at]);
    }
    for counts in &mut counts {
        let used = counts.iter().rposition(|count| *count > 0).map_or(0, |at| at + 1);
        counts.truncate(used);
    }
    counts
}

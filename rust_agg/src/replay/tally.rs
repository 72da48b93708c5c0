//! Counters of what rows count for, by block of groups and of units.

use super::marks::{Marks, N_CODES, N_JUDGED, N_UNIT_CELLS};
use crate::parts::{Part, Parts};
use crate::plan::Plan;
use crate::state::Setup;
use crate::sums::N_CALIBRATION_BINS;

/// Which blocks the rows of each prompt go to.
pub struct Plans {
    /// Those of groups.
    pub groups: Plan,
    /// Those of units.
    pub units: Plan,
}

impl Plans {
    /// Prompts of the same groups share blocks.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        Self { groups: Plan::of_groups(&setup.groups, usize::MAX), units: Plan::of_units(&setup.groups) }
    }
}

/// Counters of judged rows: of all, or of those that a setting skips.
#[derive(Clone, Debug)]
pub struct Tally {
    parts: Parts,
    /// Counters of a block of groups: those of both verdicts.
    size: usize,
    /// By block of groups and verdict.
    pub cells: Vec<u32>,
    /// By block of groups.
    pub codes: Vec<[u32; N_CODES]>,
    /// By block of units and verdict; empty before its first row.
    pub units: Vec<Vec<u32>>,
    /// By calibration bin and verdict.
    pub ratios: [[u32; N_JUDGED]; N_CALIBRATION_BINS],
    /// Σ min(1, p/q) by calibration bin, fixed point.
    pub sums: [i128; N_CALIBRATION_BINS],
}

impl Tally {
    /// Counters at zero.
    #[must_use]
    pub fn new(setup: &Setup, plans: &Plans) -> Self {
        let n_blocks = plans.groups.targets().len();
        let size = N_JUDGED * setup.layout.stride;
        Self {
            parts: setup.parts,
            size,
            cells: vec![0; n_blocks * size],
            codes: vec![[0; N_CODES]; n_blocks],
            units: vec![Vec::new(); plans.units.targets().len()],
            ratios: [[0; N_JUDGED]; N_CALIBRATION_BINS],
            sums: [0; N_CALIBRATION_BINS],
        }
    }

    /// Back to zero.
    pub fn clear(&mut self) {
        self.cells.fill(0);
        self.codes.fill([0; N_CODES]);
        self.units.iter_mut().for_each(|cells| cells.fill(0));
        self.ratios = [[0; N_JUDGED]; N_CALIBRATION_BINS];
        self.sums = [0; N_CALIBRATION_BINS];
    }

    /// Count rows of a prompt in its blocks.
    #[inline]
    #[allow(clippy::needless_pass_by_value, reason = "an iterator, cloned for each use")]
    pub fn add(
        &mut self,
        marks: &Marks,
        plans: &Plans,
        index: u32,
        rows: impl Iterator<Item = usize> + Clone,
    ) {
        for block in plans.groups.blocks(index) {
            let start = *block as usize * self.size;
            let cells = &mut self.cells[start..start + self.size];
            match marks.width {
                0 => {}
                1 => count::<1>(cells, &marks.cells, rows.clone()),
                2 => count::<2>(cells, &marks.cells, rows.clone()),
                3 => count::<3>(cells, &marks.cells, rows.clone()),
                4 => count::<4>(cells, &marks.cells, rows.clone()),
                _ => count::<5>(cells, &marks.cells, rows.clone()),
            }
            if self.parts.has(Part::Surer) {
                let codes = &mut self.codes[*block as usize];
                rows.clone().for_each(|row| codes[usize::from(marks.codes[row])] += 1);
            }
        }
        if self.parts.has(Part::Units) {
            for block in plans.units.blocks(index) {
                let cells = &mut self.units[*block as usize];
                if cells.is_empty() {
                    cells.resize(N_JUDGED * N_UNIT_CELLS, 0);
                }
                count::<3>(cells, marks.units.as_flattened(), rows.clone());
            }
        }
    }

    /// Count the ratios of judged rows: each once, whatever its groups.
    #[inline]
    pub fn add_ratios(&mut self, marks: &Marks, rows: impl Iterator<Item = usize>) {
        if self.parts.has(Part::Calibration) {
            for row in rows {
                let (at, fixed) = marks.ratios[row];
                self.ratios.as_flattened_mut()[at as usize] += 1;
                self.sums[at as usize / N_JUDGED] += i128::from(fixed);
            }
        }
    }
}

/// Add one at each of the `N` cells of each row.
#[inline(always)]
fn count<const N: usize>(counters: &mut [u32], cells: &[u32], rows: impl Iterator<Item = usize>) {
    let cells = cells.as_chunks::<N>().0;
    for row in rows {
        for cell in cells[row] {
            counters[cell as usize] += 1;
        }
    }
}

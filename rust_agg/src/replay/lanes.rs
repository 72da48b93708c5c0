//! What discarded tokens count for, under all settings at once.
//!
//! Each setting discards a beginning of a tail. So a token of a tail is discarded by some of the settings, and adds one at
//! its cells for each of them: a counter there has a lane for each setting, and one vector addition counts for many.

#![allow(clippy::cast_possible_truncation, reason = "a tail is shorter than 2¹⁶")]

use rustc_hash::FxHashMap;

use super::counts::Prepared;
use super::marks::N_UNIT_CELLS;
use super::paths::Path;
use crate::parts::Part;
use crate::state::Setup;

/// Lanes that go together: as many as a vector has.
const LANES: usize = 16;
type Lane = [u16; LANES];

/// Counters with a lane for each setting.
#[derive(Debug)]
struct Lanes {
    /// Groups of lanes.
    n: usize,
    /// By cell and group of lanes.
    counts: Vec<Lane>,
    /// By cell: how often anything was added since it was last emptied.
    hits: Vec<u16>,
    /// Counts of cells that were emptied, by cell and lane.
    full: FxHashMap<usize, Box<[u64]>>,
}

impl Lanes {
    fn new(n_cells: usize, n: usize) -> Self {
        let (counts, hits) = (vec![[0; LANES]; n_cells * n], vec![0; n_cells]);
        Self { n, counts, hits, full: FxHashMap::default() }
    }

    /// Add to a cell what `more` has in each lane, 0 or 1.
    #[inline(always)]
    fn add(&mut self, cell: usize, more: &[Lane]) {
        let counts = &mut self.counts[cell * self.n..(cell + 1) * self.n];
        for (count, more) in counts.iter_mut().zip(more) {
            // As values, which compilers know to be disjoint.
            *count = std::array::from_fn(|at| count[at].wrapping_add(more[at]));
        }
        self.hits[cell] += 1;
        if self.hits[cell] == u16::MAX {
            self.empty(cell);
        }
    }

    #[inline(never)]
    fn empty(&mut self, cell: usize) {
        let n = self.n;
        let counts = self.counts[cell * n..(cell + 1) * n].as_flattened_mut();
        let full = self.full.entry(cell).or_insert_with(|| vec![0; counts.len()].into());
        for (sum, count) in full.iter_mut().zip(counts) {
            *sum += u64::from(std::mem::take(count));
        }
        self.hits[cell] = 0;
    }

    fn get(&self, cell: usize, lane: usize) -> u64 {
        let full = self.full.get(&cell).map_or(0, |full| full[lane]);
        full + u64::from(self.counts[cell * self.n..].as_flattened()[lane])
    }

    fn clear(&mut self) {
        self.counts.fill([0; LANES]);
        self.hits.fill(0);
        self.full.clear();
    }
}

/// Counters of discarded tokens under all settings.
#[derive(Debug)]
pub struct Discards {
    /// Groups of lanes.
    n: usize,
    /// Cells of a block of groups: those of its histograms, then those of codes.
    size: usize,
    stride: usize,
    groups: Lanes,
    units: Lanes,
    has_units: bool,
    has_codes: bool,
    /// By tail of the batch and setting: how many of its tokens are discarded.
    lengths: Vec<Lane>,
    more: Vec<Lane>,
    arch: pulp::Arch,
}

/// Codes of a discarded token that count, see [`super::marks::Marks::codes`]: q > p, and over-confident besides.
const N_CODES: usize = 2;

impl Discards {
    /// Counters at zero, for so many blocks of groups and of units.
    #[must_use]
    pub fn new(setup: &Setup, n_groups: usize, n_units: usize, n_settings: usize) -> Self {
        let n = n_settings.div_ceil(LANES);
        let (has_units, has_codes) = (setup.parts.has(Part::Units), setup.parts.has(Part::Surer));
        let stride = setup.layout.stride;
        let size = stride + if has_codes { N_CODES } else { 0 };
        let n_unit_cells = if has_units { n_units * N_UNIT_CELLS } else { 0 };
        Self {
            n,
            size,
            stride,
            groups: Lanes::new(n_groups * size, n),
            units: Lanes::new(n_unit_cells, n),
            has_units,
            has_codes,
            lengths: Vec::new(),
            more: vec![[0; LANES]; n],
            arch: pulp::Arch::new(),
        }
    }

    /// Begin a batch with so many tails.
    pub fn begin(&mut self, n_tails: usize) {
        self.lengths.clear();
        self.lengths.resize(n_tails * self.n, [0; LANES]);
    }

    /// Say how many tokens of a tail a setting discards.
    #[inline]
    pub fn set(&mut self, tail: usize, setting: usize, n: usize) {
        self.lengths[tail * self.n..].as_flattened_mut()[setting] = n as u16;
    }

    /// Count the tokens of the tails of a batch.
    pub fn count(&mut self, prepared: &Prepared<'_>, paths: &[Path], indices: &[Option<u32>]) {
        let arch = self.arch;
        arch.dispatch(Count { discards: self, prepared, paths, indices });
    }

    /// The histograms of a setting in a block of groups.
    pub fn cells(&self, block: usize, setting: usize) -> impl Iterator<Item = u64> + '_ {
        (0..self.stride).map(move |cell| self.groups.get(block * self.size + cell, setting))
    }

    /// Tokens of a setting in a block of groups with q > p, and over-confident ones.
    #[must_use]
    pub fn surer(&self, block: usize, setting: usize) -> [u64; 2] {
        let code = |at: usize| self.groups.get(block * self.size + self.stride + at, setting);
        if self.has_codes { [code(0) + code(1), code(1)] } else { [0; 2] }
    }

    /// The histograms of a setting in a block of units.
    pub fn units(&self, block: usize, setting: usize) -> impl Iterator<Item = u64> + '_ {
        (0..N_UNIT_CELLS).map(move |cell| self.units.get(block * N_UNIT_CELLS + cell, setting))
    }

    /// Back to zero.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.units.clear();
    }
}

/// The same code compiled for each generation of vector instructions, and chosen when it runs.
struct Count<'a> {
    discards: &'a mut Discards,
    prepared: &'a Prepared<'a>,
    paths: &'a [Path],
    indices: &'a [Option<u32>],
}

impl pulp::WithSimd for Count<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { discards, prepared, paths, indices } = self;
        let Some(tails) = prepared.tails else { return };
        let paths = paths.iter().zip(indices).filter_map(|(path, index)| Some((path, (*index)?)));
        let mut paths: Vec<_> = paths.collect();
        // Counters of one block after the other: those of all do not stay in the cache.
        paths.sort_by_key(|(_, index)| prepared.plans.groups.blocks(*index));
        for (path, index) in paths {
            let groups = prepared.plans.groups.blocks(index);
            let units = prepared.plans.units.blocks(index);
            for (tail, rows) in tails.of(path) {
                discards.count_tail(prepared, tail, rows.start, groups, units);
            }
        }
    }
}

impl Discards {
    #[inline(always)]
    fn count_tail(
        &mut self,
        prepared: &Prepared<'_>,
        tail: usize,
        first: usize,
        groups: &[u32],
        units: &[u32],
    ) {
        let marks = prepared.tail_marks;
        let lengths = &self.lengths[tail * self.n..(tail + 1) * self.n];
        let longest = lengths.as_flattened().iter().fold(0, |longest, length| longest.max(*length));
        for at in 0..longest {
            for (more, length) in self.more.iter_mut().zip(lengths) {
                *more = length.map(|length| u16::from(length > at));
            }
            let row = first + usize::from(at);
            for block in groups {
                let start = *block as usize * self.size;
                for cell in &marks.cells[row * marks.width..(row + 1) * marks.width] {
                    self.groups.add(start + *cell as usize, &self.more);
                }
                if self.has_codes
                    && let Some(code) = (usize::from(marks.codes[row]) / 2).checked_sub(1)
                {
                    self.groups.add(start + self.stride + code, &self.more);
                }
            }
            if self.has_units {
                for block in units {
                    for cell in marks.units[row] {
                        self.units.add(*block as usize * N_UNIT_CELLS + cell as usize, &self.more);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lanes;

    #[test]
    fn a_cell_counts_beyond_its_bits() {
        let n = 150_000;
        let mut lanes = Lanes::new(3, 2);
        let mut more = [[0; 16]; 2];
        more[1][4] = 1;
        for _ in 0..n {
            lanes.add(1, &more);
        }
        assert_eq!(lanes.get(1, 20), n);
        assert_eq!((lanes.get(1, 19), lanes.get(0, 20), lanes.get(2, 20)), (0, 0, 0));
        lanes.clear();
        assert_eq!(lanes.get(1, 20), 0);
    }
}

//! Saved states: one byte string for one state, whatever way it was counted.
//!
//! A header (magic, version, length and XXH64 of the rest), then every counter as a LEB128 number in a fixed order, maps
//! sorted by key. Most counters are zero or small, so this is compact without compression.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use twox_hash::XxHash64;

use crate::cells::N_UNIT_CELLS;
use crate::error::{Error, Result};
use crate::grid::Grids;
use crate::groups::{Groups, Membership};
use crate::parts::Parts;
use crate::shelf::shelf_of;
use crate::state::{Discarded, Setup, State};
use crate::sums::SampleSums;

const MAGIC: &[u8; 8] = b"RUSTAGG\0";
/// Version of the saved form that this crate writes, and the only one that it reads.
pub const VERSION: u32 = 3;
const HEADER: usize = 8 + 4 + 8 + 8;

impl State {
    /// The state as bytes; equal states have equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer(vec![0; HEADER]);
        write_setup(&mut out, &self.setup);
        out.number(self.discarded as u64);
        out.numbers(&[self.n_rows, self.n_rows_unmapped, self.n_rounds, self.n_rounds_unmapped]);
        out.numbers(&self.cells);
        for counts in &self.positions {
            out.list(counts);
        }
        out.numbers(self.surer.as_flattened());
        for cells in &self.units {
            out.number(u64::from(cells.is_some()));
            out.numbers(cells.as_deref().unwrap_or_default());
        }
        out.length(self.samples().count());
        for ((prompt, sample), sums) in self.samples() {
            out.numbers(&[u64::from(*prompt), u64::from(*sample)]);
            write_sums(&mut out, sums);
        }
        for counts in self.judged_by_position() {
            out.list(counts.as_flattened());
        }
        out.length(self.shelves.iter().map(|shelf| shelf.tokens.len()).sum());
        for (prompt, token, counts) in self.surer_tokens() {
            out.numbers(&[u64::from(prompt), u64::from(token)]);
            out.numbers(&counts);
        }
        for bin in &self.calibration {
            out.numbers(&bin.verdicts);
            out.sum(bin.sum_min_ratio);
        }
        out.finish()
    }

    /// Read a state back. `name` is how messages call it.
    ///
    /// # Errors
    /// [`Error::State`] for bytes of another version, or truncated, damaged or foreign ones.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self> {
        let payload = check_header(bytes).map_err(|what| Error::State(format!("{name}: {what}")))?;
        let mut input = Reader(payload);
        let state = read_state(&mut input).map_err(|error| match error {
            Error::State(what) => Error::State(format!("{name}: {what}")),
            other => Error::State(format!("{name}: the saved state contradicts itself ({other})")),
        })?;
        if !input.0.is_empty() {
            return Err(Error::State(format!("{name}: {} bytes too many in the saved state", input.0.len())));
        }
        Ok(state)
    }

    /// Save the state: written beside `path` and renamed, so that no reader ever sees half of it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut beside = path.file_name().unwrap_or_default().to_os_string();
        beside.push(format!(".{}.part", std::process::id()));
        let beside = path.with_file_name(beside);
        let written = fs::File::create(&beside)
            .and_then(|mut file| file.write_all(&self.to_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&beside, path));
        written.map_err(|error| {
            // The first error is the one to tell; the remains may not even exist.
            let _ = fs::remove_file(&beside);
            Error::io(path, error)
        })
    }

    /// Load a saved state.
    ///
    /// # Errors
    /// [`Error::Io`], and those of [`State::from_bytes`].
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
        Self::from_bytes(&bytes, &path.display().to_string())
    }
}

fn check_header(bytes: &[u8]) -> std::result::Result<&[u8], String> {
    let (Some(header), true) = (bytes.get(..HEADER), bytes.starts_with(MAGIC)) else {
        return Err("not a saved rust_agg state, or cut within its first bytes".into());
    };
    let mut fields = Reader(&header[8..]);
    let version = fields.fixed::<4>().map(u32::from_le_bytes).unwrap_or_default();
    if version != VERSION {
        return Err(format!("saved as version {version}, this rust_agg reads version {VERSION}"));
    }
    let mut next = || fields.fixed::<8>().map(u64::from_le_bytes).unwrap_or_default();
    let (length, hash) = (next(), next());
    let payload = &bytes[HEADER..];
    if payload.len() as u64 != length {
        return Err(format!("truncated or damaged, {} bytes of {length}", payload.len()));
    }
    if XxHash64::oneshot(0, payload) != hash {
        return Err("damaged, its checksum differs".into());
    }
    Ok(payload)
}

fn write_setup(out: &mut Writer, setup: &Setup) {
    out.0.extend(setup.over_confident_ratio.to_le_bytes());
    out.number(setup.parts.bits().into());
    for grid in [&setup.grids.probability, &setup.grids.difference, &setup.grids.joint] {
        out.length(grid.edges().len());
        out.0.extend(grid.edges().iter().flat_map(|edge| edge.to_le_bytes()));
    }
    for names in [setup.groups.group_names(), setup.groups.unit_names()] {
        out.length(names.len());
        for name in names {
            out.length(name.len());
            out.0.extend(name.as_bytes());
        }
    }
    out.length(setup.groups.rows().len());
    for row in setup.groups.rows() {
        out.0.extend(row.prompt.to_le_bytes());
        out.numbers(&[u64::from(row.group), u64::from(row.unit)]);
    }
}

fn read_setup(input: &mut Reader<'_>) -> Result<Setup> {
    let ratio = f64::from_le_bytes(input.fixed()?);
    let parts = Parts::from_bits(input.small()?).ok_or_else(too_large)?;
    let mut edges = [Vec::new(), Vec::new(), Vec::new()];
    for edges in &mut edges {
        for _ in 0..input.length()? {
            edges.push(f64::from_le_bytes(input.fixed()?));
        }
    }
    let mut names = [Vec::new(), Vec::new()];
    for names in &mut names {
        for _ in 0..input.length()? {
            let n = input.length()?;
            names.push(String::from_utf8_lossy(input.take(n)?).into_owned());
        }
    }
    let mut rows = Vec::new();
    for _ in 0..input.length()? {
        let prompt = u64::from_le_bytes(input.fixed()?);
        rows.push(Membership { prompt, group: input.small()?, unit: input.small()? });
    }
    let [group_names, unit_names] = names;
    let grids = Grids::new(&edges[0], &edges[1], &edges[2])?;
    Setup::new(grids, Arc::new(Groups::new(group_names, unit_names, rows)?), ratio, parts)
}

fn read_state(input: &mut Reader<'_>) -> Result<State> {
    let setup = read_setup(input)?;
    // Each cell takes a byte at least: no memory for more than the file can hold.
    if State::n_cells(&setup).is_none_or(|cells| cells > input.0.len()) {
        return Err(ended());
    }
    let mut state = State::empty(Arc::new(setup));
    let discarded: usize = input.small()?;
    state.discarded = *Discarded::ALL.get(discarded).ok_or_else(too_large)?;
    state.n_rows = input.number()?;
    state.n_rows_unmapped = input.number()?;
    state.n_rounds = input.number()?;
    state.n_rounds_unmapped = input.number()?;
    input.fill(&mut state.cells)?;
    for counts in &mut state.positions {
        *counts = input.list()?;
    }
    input.fill(state.surer.as_flattened_mut())?;
    for cells in &mut state.units {
        if input.number()? == 1 {
            let mut counts = vec![0; N_UNIT_CELLS];
            input.fill(&mut counts)?;
            *cells = Some(counts.into());
        }
    }
    let n_prompts = state.setup.groups.prompts().len();
    let mut samples = Vec::new();
    for _ in 0..input.length()? {
        let key = (input.prompt(n_prompts)?, input.small()?);
        samples.push((key, read_sums(input)?));
    }
    state.add_samples(samples);
    for counts in state.judged_by_position_mut() {
        *counts = input.list()?.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
    }
    let mut last = None;
    for _ in 0..input.length()? {
        let key: (u32, u32) = (input.prompt(n_prompts)?, input.small()?);
        let mut counts = [0; 2];
        input.fill(&mut counts)?;
        if last >= Some(key) {
            return Err(Error::State("tokens of the saved state are not sorted".into()));
        }
        last = Some(key);
        state.shelves[shelf_of(key.0)].tokens.push(key.0, key.1, counts);
    }
    for bin in &mut state.calibration {
        input.fill(&mut bin.verdicts)?;
        bin.sum_min_ratio = input.sum()?;
    }
    Ok(state)
}

fn write_sums(out: &mut Writer, sums: &SampleSums) {
    out.numbers(&sums.verdicts);
    out.numbers(&sums.surer);
    out.numbers(&sums.over_confident);
    out.numbers(&sums.cut);
    out.numbers(&[sums.n_overlap, sums.n_entropy, sums.n_rounds, sums.n_requested, sums.n_emitted]);
    out.sum(sums.sum_overlap);
    out.sum(sums.sum_severity);
    out.sum(sums.sum_entropy);
}

fn read_sums(input: &mut Reader<'_>) -> Result<SampleSums> {
    let mut sums = SampleSums::default();
    input.fill(&mut sums.verdicts)?;
    input.fill(&mut sums.surer)?;
    input.fill(&mut sums.over_confident)?;
    input.fill(&mut sums.cut)?;
    sums.n_overlap = input.number()?;
    sums.n_entropy = input.number()?;
    sums.n_rounds = input.number()?;
    sums.n_requested = input.number()?;
    sums.n_emitted = input.number()?;
    sums.sum_overlap = input.sum()?;
    sums.sum_severity = input.sum()?;
    sums.sum_entropy = input.sum()?;
    Ok(sums)
}

struct Writer(Vec<u8>);

impl Writer {
    #[allow(clippy::cast_possible_truncation, reason = "masked to seven bits")]
    fn wide(&mut self, mut value: u128) {
        while value >= 0x80 {
            self.0.push(value as u8 & 0x7f | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, value: u64) {
        self.wide(value.into());
    }

    fn numbers(&mut self, values: &[u64]) {
        for value in values {
            self.number(*value);
        }
    }

    fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    fn list(&mut self, values: &[u64]) {
        self.length(values.len());
        self.numbers(values);
    }

    /// Sums are of values ≥ 0, so never negative.
    fn sum(&mut self, sum: i128) {
        self.wide(sum.unsigned_abs());
    }

    fn finish(mut self) -> Vec<u8> {
        let payload = &self.0[HEADER..];
        let (length, hash) = (payload.len() as u64, XxHash64::oneshot(0, payload));
        self.0[..8].copy_from_slice(MAGIC);
        self.0[8..12].copy_from_slice(&VERSION.to_le_bytes());
        self.0[12..20].copy_from_slice(&length.to_le_bytes());
        self.0[20..HEADER].copy_from_slice(&hash.to_le_bytes());
        self.0
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(ended)?;
        self.0 = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(ended)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn wide(&mut self) -> Result<u128> {
        let mut value = 0_u128;
        for shift in (0..126).step_by(7) {
            let [byte] = self.fixed()?;
            value |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(too_large())
    }

    fn number(&mut self) -> Result<u64> {
        u64::try_from(self.wide()?).map_err(|_| too_large())
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Result<T> {
        T::try_from(self.number()?).map_err(|_| too_large())
    }

    fn prompt(&mut self, n_prompts: usize) -> Result<u32> {
        let index: u32 = self.small()?;
        if (index as usize) < n_prompts { Ok(index) } else { Err(too_large()) }
    }

    /// A length of something of at least one byte an item, so it cannot exceed what is left.
    fn length(&mut self) -> Result<usize> {
        let length: usize = self.small()?;
        if length <= self.0.len() { Ok(length) } else { Err(ended()) }
    }

    fn fill(&mut self, values: &mut [u64]) -> Result<()> {
        for value in values {
            *value = self.number()?;
        }
        Ok(())
    }

    fn list(&mut self) -> Result<Vec<u64>> {
        (0..self.length()?).map(|_| self.number()).collect()
    }

    fn sum(&mut self) -> Result<i128> {
        i128::try_from(self.wide()?).map_err(|_| too_large())
    }
}

fn ended() -> Error {
    Error::State("the saved state ends too early".into())
}

fn too_large() -> Error {
    Error::State("a number in the saved state is too large".into())
}

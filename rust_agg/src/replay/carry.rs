//! γ carried over from prompt to prompt: what every path begins with.
//!
//! That needs the fates alone, so a first pass keeps a byte or two for each position, and then walks through the paths in
//! the given order, all of sample 0, then sample 1 and so on.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use super::drive::{Batch, drive};
use super::paths::Path;
use super::source::Pieces;
use super::task::{Named, Task};
use super::walk::{Fate, push_stops};
use crate::error::{Error, Result};
use crate::feed::Source;
use crate::parts::Part;
use crate::run::lock;
use crate::stream;

/// γ at the beginning of each path, for the settings that carry it over.
#[derive(Debug, Default)]
pub struct Carry {
    index: FxHashMap<(u64, u16), u32>,
    /// By setting and path; none for a setting that starts anew.
    gammas: Vec<Option<Vec<u32>>>,
}

impl Carry {
    /// γ at the beginning of a path; none where the setting starts anew with every path.
    #[must_use]
    pub fn gamma(&self, setting: usize, path: &Path) -> Option<u32> {
        let gammas = self.gammas.get(setting)?.as_ref()?;
        let at = self.index.get(&(path.prompt, path.sample))?;
        gammas.get(*at as usize).copied()
    }
}

/// The fates of paths: bit 0 where the proposal was rejected, 1 where it ends a text, and one for each threshold where it
/// lies below.
#[derive(Default)]
struct Fates {
    bits: Vec<u8>,
    /// Prompt, sample, and where the path ends.
    paths: Vec<(u64, u16, usize)>,
}

/// What every path begins with, and the paths, to be read again. A stream is held for that.
///
/// # Errors
/// Those of [`drive`] and of the stream, and [`Error::Data`] where a prompt of the paths is not in an order, or one of an order
/// has no path for some sample, or γ grows too large.
pub fn carried(
    task: &Task,
    paths: Source,
    threads: usize,
    tick: &mut impl FnMut(u64, Option<u64>) -> bool,
) -> Result<(Carry, Source)> {
    if task.settings.iter().all(|named| named.setting.order.is_none()) {
        return Ok((Carry::default(), paths));
    }
    let [first, second] = match paths {
        Source::Files(files) => [Source::Files(files.clone()), Source::Files(files)],
        Source::Stream(reader, rows) => {
            let (schema, batches) = stream::hold(reader, "paths", tick)?;
            [(); 2].map(|()| {
                let batches = batches.clone().into_iter().map(Ok);
                let reader = arrow_array::RecordBatchIterator::new(batches, Arc::clone(&schema));
                Source::Stream(Box::new(reader), rows)
            })
        }
    };
    // Rows are counted once, in the pass that folds them.
    let mut silent = |_, _| tick(0, None);
    let pieces = Pieces::new(first, [Part::P].into_iter().collect(), threads, &mut silent)?;
    Ok((carry(&pieces, task, threads, &mut silent)?, second))
}

/// Walk through all paths in the orders of the settings.
fn carry(
    pieces: &Pieces,
    task: &Task,
    threads: usize,
    tick: &mut impl FnMut(u64, Option<u64>) -> bool,
) -> Result<Carry> {
    let width = (2 + task.thresholds.len()).div_ceil(8);
    let all: Mutex<Vec<Fates>> = Mutex::default();
    drive(
        pieces,
        task.rules(),
        threads,
        Fates::default,
        |fates, batch| {
            fates.add(batch, &task.thresholds, width);
            Ok(())
        },
        |fates| lock(&all).push(fates),
        &mut *tick,
    )?;
    let passed = Passed::new(std::mem::take(&mut *lock(&all)), task, width)?;
    let mut gammas = Vec::new();
    for named in &task.settings {
        if !tick(0, None) {
            return Err(Error::Interrupted);
        }
        let order = named.setting.order.as_ref();
        gammas.push(order.map(|order| passed.gammas(named, order)).transpose()?);
    }
    Ok(Carry { index: passed.index, gammas })
}

/// What the first pass keeps.
struct Passed<'a> {
    task: &'a Task,
    all: Vec<Fates>,
    width: usize,
    samples: BTreeSet<u16>,
    index: FxHashMap<(u64, u16), u32>,
    /// In which of the lists each path stands, and at which rows.
    places: Vec<(usize, Range<usize>)>,
}

impl<'a> Passed<'a> {
    fn new(all: Vec<Fates>, task: &'a Task, width: usize) -> Result<Self> {
        let (mut samples, mut index, mut places) = (BTreeSet::new(), FxHashMap::default(), Vec::new());
        for (list, fates) in all.iter().enumerate() {
            let mut start = 0;
            for (prompt, sample, end) in &fates.paths {
                let at = u32::try_from(places.len()).map_err(|_| Error::data("paths: more than 2^32"))?;
                index.insert((*prompt, *sample), at);
                places.push((list, start..*end));
                samples.insert(*sample);
                start = *end;
            }
        }
        Ok(Self { task, all, width, samples, index, places })
    }

    /// γ at the beginning of each path.
    fn gammas(&self, named: &Named, order: &[u64]) -> Result<Vec<u32>> {
        check_order(&named.name, order, &self.samples, &self.index)?;
        let limit = self.task.limits[named.limit];
        let mut gammas = vec![0; self.places.len()];
        let mut gamma = named.setting.gamma;
        let (mut stops, mut rounds) = (Vec::new(), Vec::new());
        let keys = self.samples.iter().flat_map(|sample| order.iter().map(|prompt| (*prompt, *sample)));
        for key in keys {
            let place = self.index[&key] as usize;
            gammas[place] = gamma;
            let (list, rows) = self.places[place].clone();
            let bits = &self.all[list].bits[rows.start * self.width..rows.end * self.width];
            stops.clear();
            push_stops(fates_of(bits, self.width, 2 + named.threshold), &mut stops);
            let n = stops.len().min(limit as usize);
            let after = named.setting.kind.walk(gamma, limit, &stops[..n], &mut rounds);
            gamma = after.map_err(|too_large| {
                let (prompt, sample) = key;
                Error::data(format!("{}: prompt {prompt}, sample {sample}: {too_large}", named.name))
            })?;
        }
        Ok(gammas)
    }
}

fn check_order(
    name: &str,
    order: &[u64],
    samples: &BTreeSet<u16>,
    index: &FxHashMap<(u64, u16), u32>,
) -> Result<()> {
    let known: BTreeSet<u64> = order.iter().copied().collect();
    let stranger = index.keys().filter(|(prompt, _)| !known.contains(prompt)).min();
    if let Some((prompt, _)) = stranger {
        return Err(Error::data(format!("{name}: prompt {prompt} has paths and does not stand in order")));
    }
    for sample in samples {
        for prompt in order {
            if !index.contains_key(&(*prompt, *sample)) {
                return Err(Error::data(format!(
                    "{name}: prompt {prompt} stands in order and has no path of sample {sample}, so that γ cannot be \
                     carried over"
                )));
            }
        }
    }
    Ok(())
}

impl Fates {
    fn add(&mut self, batch: &Batch<'_>, thresholds: &[f64], width: usize) {
        let paths = batch.paths;
        for (row, fate) in paths.fate.iter().enumerate() {
            let q = f64::from(paths.proposal_q[row]);
            let flags = [*fate == 0, batch.ends[row]].into_iter();
            let mut flags = flags.chain(thresholds.iter().map(|threshold| q < *threshold));
            for _ in 0..width {
                let byte = flags.by_ref().take(8).enumerate();
                self.bits.push(byte.fold(0, |byte, (at, flag)| byte | u8::from(flag) << at));
            }
        }
        let before = self.paths.last().map_or(0, |path| path.2);
        self.paths.extend(paths.iter().map(|path| (path.prompt, path.sample, before + path.rows.end)));
    }
}

fn fates_of(
    bits: &[u8],
    width: usize,
    threshold: usize,
) -> impl DoubleEndedIterator<Item = Fate> + ExactSizeIterator {
    bits.chunks_exact(width).map(move |bytes| {
        let flag = |at: usize| bytes[at / 8] >> (at % 8) & 1 == 1;
        Fate { rejected: flag(0), eos: flag(1), below: flag(threshold) }
    })
}

//! γ carried over from prompt to prompt: what every path begins with.
//!
//! That needs the fates alone, so a first pass keeps a byte or two for each position, and then walks through the paths in
//! the given order, all of sample 0, then sample 1 and so on.

use std::collections::BTreeSet;
use std::sync::Mutex;

use rustc_hash::FxHashMap;

use super::drive::{Batch, drive};
use super::paths::Path;
use super::source::Pieces;
use super::task::Task;
use super::walk::{Fate, push_stops};
use crate::error::{Error, Result};
use crate::run::lock;

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

/// Walk through all paths in the orders of the settings.
///
/// # Errors
/// Those of [`drive`], and [`Error::Data`] where a prompt of the paths is not in an order, or one of an order has no path
/// for some sample, or γ grows too large.
pub fn carry(
    pieces: &Pieces,
    task: &Task,
    threads: usize,
    tick: impl FnMut(u64, Option<u64>) -> bool,
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
        tick,
    )?;
    let all = std::mem::take(&mut *lock(&all));
    let mut carry = Carry::default();
    let (mut samples, mut places) = (BTreeSet::new(), Vec::new());
    for (source, fates) in all.iter().enumerate() {
        let mut start = 0;
        for (prompt, sample, end) in &fates.paths {
            let at = u32::try_from(places.len()).map_err(|_| Error::data("paths: more than 2^32"))?;
            carry.index.insert((*prompt, *sample), at);
            places.push((source, start..*end));
            samples.insert(*sample);
            start = *end;
        }
    }
    for (at, named) in task.settings.iter().enumerate() {
        let gammas = named.setting.order.as_ref().map(|order| {
            check_order(&named.name, order, &samples, &carry.index)?;
            let mut gammas = vec![0; places.len()];
            let mut gamma = named.setting.gamma;
            let (mut stops, mut rounds) = (Vec::new(), Vec::new());
            let keys = samples.iter().flat_map(|sample| order.iter().map(|prompt| (*prompt, *sample)));
            for key in keys {
                let place = carry.index[&key] as usize;
                gammas[place] = gamma;
                let (source, rows) = places[place].clone();
                let bits = &all[source].bits[rows.start * width..rows.end * width];
                stops.clear();
                push_stops(fates_of(bits, width, 2 + named.threshold), &mut stops);
                let limit = task.limits[named.limit];
                let n = stops.len().min(limit as usize);
                let after = named.setting.kind.walk(gamma, limit, &stops[..n], &mut rounds);
                gamma = after.map_err(|too_large| {
                    let (prompt, sample) = key;
                    Error::data(format!("{}: prompt {prompt}, sample {sample}: {too_large}", named.name))
                })?;
            }
            Ok(gammas)
        });
        debug_assert_eq!(at, carry.gammas.len());
        carry.gammas.push(gammas.transpose()?);
    }
    Ok(carry)
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

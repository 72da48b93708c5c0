//! What each thread does with a batch of paths.

use std::sync::{Arc, Mutex};

use super::carry::Carry;
use super::counts::{Counts, Prepared, Walked};
use super::drive::{Batch, Failure};
use super::lanes::Discards;
use super::marks::{Columns, Marker, Marks};
use super::paths::Path;
use super::sums::Sums;
use super::tail_reader::Reader;
use super::tail_rows::Tails;
use super::tails::Store;
use super::tally::{Plans, Tally};
use super::task::Task;
use super::tokens::Tokens;
use super::walk::Round;
use crate::parts::Part;
use crate::run::lock;
use crate::state::{Setup, State};

/// What all threads have.
pub struct Shared<'a> {
    /// What is counted.
    pub setup: &'a Arc<Setup>,
    /// The settings.
    pub task: &'a Task,
    /// Where prompts are counted.
    pub plans: Plans,
    /// How rows are marked.
    pub marker: Marker,
    /// γ at the beginning of paths.
    pub carried: Carry,
    /// The tails; none where none were given.
    pub store: Option<&'a Store>,
    /// By setting.
    pub states: Mutex<Vec<State>>,
    /// By setting: whether p is missing of a discarded token.
    pub lacks_p: Mutex<Vec<bool>>,
}

/// What each thread has.
pub struct Worker<'a> {
    shared: &'a Shared<'a>,
    reader: Option<Reader<'a>>,
    tails: Tails,
    /// Whether p is known of any token of these tails.
    has_p: bool,
    marks: Marks,
    tail_marks: Marks,
    stops: Vec<Vec<u32>>,
    rounds: Vec<Round>,
    /// By length: what all positions count for.
    all: Vec<Tally>,
    settings: Vec<Counts>,
    /// What discarded tokens count for; none without tails.
    discards: Option<Discards>,
    tokens: Option<Tokens>,
    /// Rows since the last flush; no counter can be larger.
    pending: u32,
}

impl<'a> Worker<'a> {
    /// Counters at zero.
    #[must_use]
    pub fn new(shared: &'a Shared<'a>) -> Self {
        let Shared { setup, task, plans, store, .. } = shared;
        let (n_groups, n_units) = (plans.groups.targets().len(), plans.units.targets().len());
        let tokens = setup.parts.has(Part::Tokens);
        Self {
            shared,
            reader: store.map(Reader::new),
            tails: Tails::default(),
            has_p: false,
            marks: Marks::default(),
            tail_marks: Marks::default(),
            stops: Vec::new(),
            rounds: Vec::new(),
            all: task.limits.iter().map(|_| Tally::new(setup, plans)).collect(),
            settings: task.settings.iter().map(|_| Counts::new(setup, plans)).collect(),
            discards: store.map(|_| Discards::new(setup, n_groups, n_units, task.settings.len())),
            tokens: tokens.then(|| Tokens::new(setup, task.limits.len(), task.settings.len())),
            pending: 0,
        }
    }

    /// Count a batch under all settings.
    ///
    /// # Errors
    /// The first [`Failure`] of its rows, under any setting.
    pub fn batch(&mut self, batch: &Batch<'_>) -> std::result::Result<(), Failure> {
        let shared = self.shared;
        let task = shared.task;
        let failed = self
            .reader
            .as_mut()
            .and_then(|reader| reader.read(batch, &task.eos, &task.thresholds, &mut self.tails).err());
        let paths: Vec<Path> = match &failed {
            Some(failure) => batch.paths.iter().take_while(|path| path.rows.end <= failure.row()).collect(),
            None => batch.paths.iter().collect(),
        };
        self.has_p = self.reader.is_some() && self.tails.have_p();
        self.make_room(batch);
        self.mark(batch);
        task.find_stops(batch, &mut self.stops);
        let groups = &shared.setup.groups;
        let indices: Vec<_> = paths.iter().map(|path| groups.index_of(path.prompt)).collect();
        let sums = self.count_all(batch, &paths, &indices);
        let mut first = failed;
        if let Some(discards) = self.discards.as_mut().filter(|_| self.has_p) {
            discards.begin(self.tails.len());
        }
        for setting in 0..task.settings.len() {
            if let Err(failure) = self.count(batch, &paths, &indices, &sums, setting) {
                first = Some(failure.first(first));
            }
        }
        if let Some(failure) = first {
            return Err(failure);
        }
        let prepared = prepared(shared, batch, &self.marks, &self.tails, &self.tail_marks);
        if let Some(discards) = self.discards.as_mut().filter(|_| self.has_p) {
            discards.count(&prepared, &paths, &indices);
        }
        Ok(())
    }

    fn mark(&mut self, batch: &Batch<'_>) {
        let paths = batch.paths;
        let columns = Columns {
            p: &paths.proposal_p,
            q: &paths.proposal_q,
            fate: &paths.fate,
            overlap: &paths.overlap,
            entropy: &paths.entropy,
        };
        self.shared.marker.mark(&columns, &mut self.marks);
        if !self.has_p {
            return;
        }
        let Tails { p, q, .. } = &self.tails;
        let columns = Columns { p, q, fate: &[], overlap: &[], entropy: &[] };
        self.shared.marker.mark(&columns, &mut self.tail_marks);
    }

    /// Count all positions, for each length; give the sums of each path, for each length.
    fn count_all(&mut self, batch: &Batch<'_>, paths: &[Path], indices: &[Option<u32>]) -> Vec<Vec<Sums>> {
        let Shared { task, plans, setup, .. } = self.shared;
        let mut sums = Vec::new();
        for (length, (limit, all)) in task.limits.iter().zip(&mut self.all).enumerate() {
            let mut of = Vec::new();
            for (path, index) in paths.iter().zip(indices) {
                let rows = path.rows.start..path.rows.end.min(path.rows.start + *limit as usize);
                if setup.parts.has(Part::Prompts) {
                    of.push(Sums::of(&self.marks, rows.clone()));
                }
                if let Some(index) = index {
                    all.add(&self.marks, plans, *index, rows.clone());
                    all.add_ratios(&self.marks, rows.clone());
                    if let Some(tokens) = &mut self.tokens {
                        tokens.add_all(length, batch.paths, path, rows);
                    }
                }
            }
            sums.push(of);
        }
        sums
    }

    /// Count the paths of a batch under a setting.
    fn count(
        &mut self,
        batch: &Batch<'_>,
        paths: &[Path],
        indices: &[Option<u32>],
        sums: &[Vec<Sums>],
        setting: usize,
    ) -> std::result::Result<(), Failure> {
        let Shared { task, carried, .. } = self.shared;
        let named = &task.settings[setting];
        let prepared = prepared(self.shared, batch, &self.marks, &self.tails, &self.tail_marks);
        let counts = &mut self.settings[setting];
        for ((at, path), index) in paths.iter().enumerate().zip(indices) {
            let gamma = carried.gamma(setting, path).unwrap_or(named.setting.gamma);
            let n = task.walk(setting, gamma, batch, path, &self.stops, &mut self.rounds)?;
            let walked = Walked {
                path,
                index: *index,
                n,
                rounds: &self.rounds,
                threshold: named.threshold,
                all: sums[named.limit].get(at),
            };
            counts.add(&prepared, &walked, task, setting)?;
            if let Some(discards) = self.discards.as_mut().filter(|_| self.has_p) {
                for discarded in counts.discarded() {
                    discards.set(discarded.tail, setting, discarded.rows.len());
                }
            }
            if let (Some(tokens), Some(_)) = (&mut self.tokens, index) {
                tokens.skip(setting, batch.paths, path, counts.skipped_rows());
            }
        }
        Ok(())
    }

    /// Add everything counted to the states.
    pub fn flush(mut self) {
        self.flush_counts();
    }

    fn make_room(&mut self, batch: &Batch<'_>) {
        let more = u32::try_from(batch.paths.n_rows() + self.tails.n_rows()).unwrap_or(u32::MAX);
        self.pending = self.pending.checked_add(more).unwrap_or_else(|| {
            self.flush_counts();
            more
        });
    }

    /// Add everything counted so far to the states, and begin anew.
    fn flush_counts(&mut self) {
        let Shared { task, plans, states, lacks_p, .. } = self.shared;
        let limits: Vec<usize> = task.settings.iter().map(|named| named.limit).collect();
        let tokens = self.tokens.as_mut().map(Tokens::take);
        let mut states = lock(states);
        for (at, (counts, state)) in self.settings.iter_mut().zip(states.iter_mut()).enumerate() {
            let discards = self.discards.as_ref().map(|discards| (discards, at));
            counts.flush(&self.all[limits[at]], discards, plans, state);
            if let Some(tokens) = &tokens {
                tokens.give(at, limits[at], state);
            }
            lock(lacks_p)[at] |= counts.lacks_p;
        }
        self.all.iter_mut().for_each(Tally::clear);
        if let Some(discards) = &mut self.discards {
            discards.clear();
        }
        self.pending = 0;
    }
}

fn prepared<'a>(
    shared: &'a Shared<'_>,
    batch: &'a Batch<'a>,
    marks: &'a Marks,
    tails: &'a Tails,
    tail_marks: &'a Marks,
) -> Prepared<'a> {
    let tails = shared.store.map(|_| tails);
    Prepared { batch, plans: &shared.plans, marks, tails, tail_marks }
}

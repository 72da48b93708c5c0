//! Folds paths under many settings at once.

use std::sync::{Arc, Mutex};

use super::carry::carried;
use super::drive::drive;
use super::marks::Marker;
use super::source::Pieces;
use super::tails::Store;
use super::tally::Plans;
use super::task::Task;
use super::worker::{Shared, Worker};
use crate::error::{Error, Result};
use crate::feed::Source;
use crate::run::lock;
use crate::state::{Discarded, Setup, State};

/// Fold `paths` under every setting of a task, on `threads` threads: a state for each setting. It is what a fold of the
/// records of that setting gives, as far as the tails tell. The calling thread only watches: `tick` gets the rows done
/// and, where known, the rows in all, and says whether to go on.
///
/// # Errors
/// Those of [`drive`], of [`Store`] and of [`carried`]; [`Error::Data`] where tails are given and one is missing or too
/// short.
pub fn fold(
    setup: &Arc<Setup>,
    task: &Task,
    paths: Source,
    tails: Option<Source>,
    threads: usize,
    mut tick: impl FnMut(u64, Option<u64>) -> bool,
) -> Result<Vec<State>> {
    let store = tails.map(|tails| Store::new(tails, threads, &mut tick)).transpose()?;
    let (carried, paths) = carried(task, paths, threads, &mut tick)?;
    let pieces = Pieces::new(paths, setup.parts, threads, &mut tick)?;
    let total = pieces.rows();
    let shared = Shared {
        setup,
        task,
        plans: Plans::new(setup),
        marker: Marker::new(setup),
        carried,
        store: store.as_ref(),
        states: Mutex::new(task.settings.iter().map(|_| State::empty(Arc::clone(setup))).collect()),
        lacks_p: Mutex::new(vec![false; task.settings.len()]),
    };
    let rows = drive(
        &pieces,
        task.rules(),
        threads,
        || Worker::new(&shared),
        Worker::batch,
        Worker::flush,
        &mut tick,
    )?;
    if let Some(store) = &store {
        store.check_used()?;
    }
    if !tick(rows, total.or(Some(rows))) {
        return Err(Error::Interrupted);
    }
    let mut states = std::mem::take(&mut *lock(&shared.states));
    for (state, lacks_p) in states.iter_mut().zip(&*lock(&shared.lacks_p)) {
        state.know(match (&store, lacks_p) {
            (None, _) => Discarded::Unknown,
            (Some(_), true) => Discarded::Counted,
            (Some(_), false) => Discarded::Full,
        });
    }
    Ok(states)
}

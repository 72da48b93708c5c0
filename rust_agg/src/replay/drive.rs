//! Goes through paths batch by batch, on several threads, checks them, and knows the first of several errors.

use std::collections::hash_map::Entry;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustc_hash::FxHashMap;

use super::paths::{Path, Paths};
use super::source::{Pieces, Reader, Taken};
use crate::columns::Table;
use crate::error::{Error, Fault, Origin, Result};
use crate::run::{lock, watched};

/// Whole paths that were checked.
pub struct Batch<'a> {
    /// Their rows.
    pub paths: &'a Paths,
    /// Of each row, whether its proposal ends a text.
    pub ends: &'a [bool],
    /// Which piece of the source they are from.
    pub piece: usize,
    origin: &'a dyn Fn(u64) -> Origin,
}

/// What is wrong with a batch, and at which of its rows: of several, the first counts.
pub struct Failure {
    row: usize,
    error: Error,
}

impl Batch<'_> {
    /// The failure that a row is at fault.
    #[must_use]
    pub fn fault(&self, row: usize, column: &'static str, problem: String) -> Failure {
        failure(self.paths, self.origin, &Fault { row, column, problem })
    }
}

fn failure(paths: &Paths, origin: &dyn Fn(u64) -> Origin, fault: &Fault) -> Failure {
    let error = origin(paths.first_row + fault.row as u64).fault_error(fault, paths.first_row);
    Failure { row: fault.row, error }
}

impl Failure {
    /// An error that is about something else, met at a row.
    #[must_use]
    pub fn new(row: usize, error: Error) -> Self {
        Self { row, error }
    }

    /// The row of the batch.
    #[must_use]
    pub fn row(&self) -> usize {
        self.row
    }

    /// The first of two; of those of one row, the other one.
    #[must_use]
    pub fn first(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.row <= self.row => other,
            _ => self,
        }
    }
}

/// What every path must hold to.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Most tokens of a path.
    pub longest: u32,
    /// The tokens that end a text.
    pub eos: &'a [u32],
}

/// Where a row stands in reading order: which piece, which row of its source.
type Place = (usize, u64);

struct Drive<'a> {
    pieces: &'a Pieces,
    rules: Rules<'a>,
    done: AtomicU64,
    stop: AtomicBool,
    first_error: Mutex<Option<(Place, Error)>>,
    /// Where each path begins.
    seen: Mutex<FxHashMap<(u64, u16), Place>>,
}

/// Go through all paths on `threads` threads. Each makes a worker, hands it batch by batch to `each`, and at the end to
/// `finish`. The calling thread only watches: `tick` gets the rows done and, where known, the rows in all, and says
/// whether to go on. Gives the number of rows.
///
/// # Errors
/// Those of [`Reader::read`], of paths that break the contract, and of `each`: the first in reading order, whatever the
/// number of threads. [`Error::Interrupted`] where `tick` says so.
pub fn drive<W>(
    pieces: &Pieces,
    rules: Rules<'_>,
    threads: usize,
    make: impl Fn() -> W + Sync,
    each: impl Fn(&mut W, &Batch<'_>) -> std::result::Result<(), Failure> + Sync,
    finish: impl Fn(W) + Sync,
    mut tick: impl FnMut(u64, Option<u64>) -> bool,
) -> Result<u64> {
    let drive = Drive {
        pieces,
        rules,
        done: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        first_error: Mutex::default(),
        seen: Mutex::default(),
    };
    watched(
        threads,
        || {
            let (mut worker, mut reader) = (make(), Reader::default());
            while let Some(taken) = pieces.next() {
                if !drive.wanted(taken.at) {
                    break;
                }
                drive.read(&mut reader, taken, &mut |batch| each(&mut worker, batch));
            }
            if drive.wanted(usize::MAX) {
                finish(worker);
            }
        },
        || {
            let go_on = tick(drive.done.load(Ordering::Relaxed), pieces.rows());
            drive.stop.fetch_or(!go_on, Ordering::Relaxed);
        },
    )?;
    if drive.stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    match lock(&drive.first_error).take() {
        Some((_, error)) => Err(error),
        None => Ok(drive.done.load(Ordering::Relaxed)),
    }
}

impl Drive<'_> {
    fn read(
        &self,
        reader: &mut Reader,
        taken: Taken<'_>,
        each: &mut impl FnMut(&Batch<'_>) -> std::result::Result<(), Failure>,
    ) {
        let at = taken.at;
        let wanted = || self.wanted(at);
        let read = reader.read(self.pieces, taken, &wanted, &mut |paths, origin| {
            let (first, n) = (paths.first_row, paths.n_rows());
            if let Err(Failure { row, error }) = self.batch(paths, at, origin, each) {
                self.fail((at, first + row as u64), error);
            }
            self.done.fetch_add(n as u64, Ordering::Relaxed);
            self.wanted(at)
        });
        if let Err(error) = read {
            // What is wrong with its rows comes before what ended the reading.
            self.fail((at, u64::MAX), error);
        }
    }

    /// Check a batch and hand it on; of a batch that breaks the contract, the paths before the first that does.
    fn batch(
        &self,
        paths: &mut Paths,
        piece: usize,
        origin: &dyn Fn(u64) -> Origin,
        each: &mut impl FnMut(&Batch<'_>) -> std::result::Result<(), Failure>,
    ) -> std::result::Result<(), Failure> {
        let [token_ends, ends] = paths.ends(self.rules.eos);
        let fault = paths.first_fault(&token_ends, self.rules.longest);
        let mut wrong = fault.map(|fault| failure(paths, origin, &fault));
        if let Some(failure) = &wrong {
            paths.keep_before(failure.row);
        }
        if let Some(failure) = self.find_twice(paths, piece) {
            paths.keep_before(failure.row);
            wrong = Some(failure);
        }
        each(&Batch { paths, ends: &ends, piece, origin })?;
        wrong.map_or(Ok(()), Err)
    }

    /// The first path that was seen before. Where it is the other one that comes later in reading order, that one is at
    /// fault, so that the error does not depend on who read what first.
    fn find_twice(&self, paths: &Paths, piece: usize) -> Option<Failure> {
        let mut seen = lock(&self.seen);
        for Path { prompt, sample, rows } in paths.iter() {
            let place = (piece, paths.first_row + rows.start as u64);
            match seen.entry((prompt, sample)) {
                Entry::Vacant(entry) => {
                    entry.insert(place);
                }
                Entry::Occupied(mut entry) if *entry.get() > place => {
                    let other = entry.insert(place);
                    self.fail(other, self.twice((prompt, sample), other, place));
                }
                Entry::Occupied(entry) => {
                    let error = self.twice((prompt, sample), place, *entry.get());
                    return Some(Failure { row: rows.start, error });
                }
            }
        }
        None
    }

    /// The error that a path stands at a place and stood at an earlier one.
    fn twice(&self, (prompt, sample): (u64, u16), place: Place, (piece, row): Place) -> Error {
        let Origin { name, .. } = self.origin(piece);
        let problem = format!(
            "{prompt}, whose sample {sample} stands at row {row} of {name} already, wanted each path once"
        );
        self.origin(place.0).fault_error(&Fault { row: 0, column: "prompt", problem }, place.1)
    }

    fn origin(&self, piece: usize) -> Origin {
        let file = self.pieces.file(piece);
        file.map_or_else(|| Origin::named(Table::Paths.name()), |file| Origin::file(&file))
    }

    /// Whether a piece can still matter: nobody said stop, and no earlier piece is at fault.
    fn wanted(&self, piece: usize) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            return false;
        }
        lock(&self.first_error).as_ref().is_none_or(|((first, _), _)| piece < *first)
    }

    fn fail(&self, place: Place, error: Error) {
        let mut first = lock(&self.first_error);
        if first.as_ref().is_none_or(|(earlier, _)| place < *earlier) {
            *first = Some((place, error));
        }
    }
}

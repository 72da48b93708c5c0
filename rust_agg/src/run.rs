//! A fold over files or a stream, on several threads, that can be watched and stopped.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use arrow_array::{RecordBatch, RecordBatchReader};

use crate::columns::{Table, check_schema};
use crate::error::{Error, Result};
use crate::read::{BATCH_ROWS, Shard, guarded};
use crate::state::{Setup, State};

/// Where a table comes from.
pub enum Source {
    /// Parquet files.
    Files(Vec<PathBuf>),
    /// Record batches, with the number of rows to come where that is known.
    Stream(Box<dyn RecordBatchReader + Send>, Option<u64>),
}

/// How often the calling thread is asked whether to go on.
const TICK: Duration = Duration::from_millis(50);

/// Fold `traces` and `rounds` on `threads` threads. The calling thread only watches: about 20 times a second `tick`
/// gets the rows done and, where known, the rows in all, and says whether to go on.
///
/// Every worker counts into a state of its own, and these are added up, so the result does not depend on who took what.
/// Where several rows are at fault, the error is the one of the first, traces before rounds.
///
/// # Errors
/// [`Error::Interrupted`] where `tick` says so; otherwise those of [`Shard`] and [`Table::fold`].
pub fn fold(
    setup: &Arc<Setup>,
    traces: Source,
    rounds: Option<Source>,
    threads: usize,
    mut tick: impl FnMut(u64, Option<u64>) -> bool,
) -> Result<State> {
    let sources = [Some((Table::Traces, traces)), rounds.map(|rounds| (Table::Rounds, rounds))];
    let mut feeds = Vec::new();
    for (table, source) in sources.into_iter().flatten() {
        feeds.push(Feed::new(table, source, threads, &mut tick)?);
    }
    let total = feeds.iter().map(Feed::rows).sum();
    let work =
        Work { feeds, done: AtomicU64::new(0), stop: AtomicBool::new(false), first_error: Mutex::default() };
    let partial: Mutex<State> = Mutex::new(State::empty(Arc::clone(setup)));
    watched(
        threads,
        || {
            let mut state = State::empty(Arc::clone(setup));
            work.run(&mut state);
            if let Err(error) = lock(&partial).merge(&state) {
                work.fail((usize::MAX, usize::MAX), error);
            }
        },
        || {
            let go_on = tick(work.done.load(Ordering::Relaxed), total);
            work.stop.fetch_or(!go_on, Ordering::Relaxed);
        },
    );
    if work.stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    if let Some((_, error)) = lock(&work.first_error).take() {
        return Err(error);
    }
    let rows = work.done.load(Ordering::Relaxed);
    if !tick(rows, total.or(Some(rows))) {
        return Err(Error::Interrupted);
    }
    Ok(partial.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Run `worker` on `threads` threads while the calling thread calls `tick`.
fn watched(threads: usize, worker: impl Fn() + Sync, mut tick: impl FnMut()) {
    thread::scope(|scope| {
        let (alive, ended) = channel::<()>();
        for _ in 0..threads {
            let (alive, worker) = (alive.clone(), &worker);
            scope.spawn(move || {
                worker();
                drop(alive);
            });
        }
        drop(alive);
        while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            tick();
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a piece of work stands in reading order: which feed, which piece of it.
type Place = (usize, usize);

struct Work {
    feeds: Vec<Feed>,
    done: AtomicU64,
    stop: AtomicBool,
    first_error: Mutex<Option<(Place, Error)>>,
}

impl Work {
    fn run(&self, state: &mut State) {
        for (at, feed) in self.feeds.iter().enumerate() {
            while let Some(piece) = feed.next() {
                let place = (at, piece.place());
                if !self.wanted(place) {
                    break;
                }
                if let Err(error) = self.fold(state, feed.table, piece, place) {
                    self.fail(place, error);
                }
            }
        }
    }

    fn fold(&self, state: &mut State, table: Table, piece: Piece<'_>, place: Place) -> Result<()> {
        let mut count = |batch: &RecordBatch, source: &str, first_row: u64| {
            table.fold(state, batch, source, first_row)?;
            self.done.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            Ok(())
        };
        match piece {
            Piece::RowGroup { shard, row_group, first_row, .. } => {
                let name = shard.name();
                shard.read(row_group, |batch, rows| {
                    count(batch, &name, first_row + rows)?;
                    Ok(self.wanted(place))
                })
            }
            Piece::Batch { batch, first_row, .. } => {
                guarded(table.name(), || count(&batch?, table.name(), first_row))
            }
        }
    }

    /// Whether the piece at this place can still matter: nobody said stop, and no earlier piece is at fault.
    fn wanted(&self, place: Place) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            return false;
        }
        lock(&self.first_error).as_ref().is_none_or(|(first, _)| place < *first)
    }

    fn fail(&self, place: Place, error: Error) {
        let mut first = lock(&self.first_error);
        if first.as_ref().is_none_or(|(earlier, _)| place < *earlier) {
            *first = Some((place, error));
        }
    }
}

/// One table, cut into pieces that threads take in order.
struct Feed {
    table: Table,
    pieces: Pieces,
}

enum Pieces {
    Shards { shards: Vec<Shard>, row_groups: Vec<(usize, usize, u64)>, rows: u64, next: AtomicUsize },
    Stream { cursor: Mutex<Cursor>, rows: Option<u64> },
}

enum Piece<'a> {
    RowGroup { at: usize, shard: &'a Shard, row_group: usize, first_row: u64 },
    Batch { at: usize, batch: Result<RecordBatch>, first_row: u64 },
}

impl Piece<'_> {
    fn place(&self) -> usize {
        match self {
            Self::RowGroup { at, .. } | Self::Batch { at, .. } => *at,
        }
    }
}

impl Feed {
    fn new(
        table: Table,
        source: Source,
        threads: usize,
        tick: &mut impl FnMut(u64, Option<u64>) -> bool,
    ) -> Result<Self> {
        let pieces = match source {
            Source::Files(paths) => shards(open_all(&paths, table, threads, tick)?),
            Source::Stream(reader, rows) => {
                check_schema(&reader.schema(), table.columns(), table.name())?;
                Pieces::Stream { cursor: Mutex::new(Cursor::new(reader, table.name())), rows }
            }
        };
        Ok(Self { table, pieces })
    }

    fn rows(&self) -> Option<u64> {
        match &self.pieces {
            Pieces::Shards { rows, .. } => Some(*rows),
            Pieces::Stream { rows, .. } => *rows,
        }
    }

    fn next(&self) -> Option<Piece<'_>> {
        match &self.pieces {
            Pieces::Shards { shards, row_groups, next, .. } => {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let (shard, row_group, first_row) = *row_groups.get(at)?;
                Some(Piece::RowGroup { at, shard: &shards[shard], row_group, first_row })
            }
            Pieces::Stream { cursor, .. } => lock(cursor).next(),
        }
    }
}

fn shards(shards: Vec<Shard>) -> Pieces {
    let (mut row_groups, mut rows) = (Vec::new(), 0);
    for (at, shard) in shards.iter().enumerate() {
        let mut first_row = 0;
        for (row_group, n) in shard.row_groups().enumerate() {
            row_groups.push((at, row_group, first_row));
            first_row += n;
        }
        rows += first_row;
    }
    Pieces::Shards { shards, row_groups, rows, next: AtomicUsize::new(0) }
}

fn open_all(
    paths: &[PathBuf],
    table: Table,
    threads: usize,
    tick: &mut impl FnMut(u64, Option<u64>) -> bool,
) -> Result<Vec<Shard>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let opened: Mutex<Vec<(usize, Result<Shard>)>> = Mutex::default();
    let open_some = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(at) else { return };
            let shard = Shard::open(path, table);
            lock(&opened).push((at, shard));
        }
    };
    watched(threads.min(paths.len()), open_some, || {
        stop.fetch_or(!tick(0, None), Ordering::Relaxed);
    });
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let mut opened = opened.into_inner().unwrap_or_else(PoisonError::into_inner);
    opened.sort_by_key(|(at, _)| *at);
    opened.into_iter().map(|(_, shard)| shard).collect()
}

/// A stream, handed out in slices of at most [`BATCH_ROWS`] rows without copying.
struct Cursor {
    reader: Box<dyn RecordBatchReader + Send>,
    name: &'static str,
    batch: Option<(RecordBatch, usize)>,
    at: usize,
    first_row: u64,
    ended: bool,
}

impl Cursor {
    fn new(reader: Box<dyn RecordBatchReader + Send>, name: &'static str) -> Self {
        Self { reader, name, batch: None, at: 0, first_row: 0, ended: false }
    }

    fn next(&mut self) -> Option<Piece<'static>> {
        if self.ended {
            return None;
        }
        let batch = self.slice().transpose();
        self.ended = !matches!(batch, Some(Ok(_)));
        let batch = batch?;
        let (at, first_row) = (self.at, self.first_row);
        self.at += 1;
        self.first_row += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        Some(Piece::Batch { at, batch, first_row })
    }

    fn slice(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((batch, start)) = self.batch.take() {
                let rows = BATCH_ROWS.min(batch.num_rows() - start);
                if rows > 0 {
                    let slice = batch.slice(start, rows);
                    self.batch = Some((batch, start + rows));
                    return Ok(Some(slice));
                }
            }
            let (name, reader) = (self.name, &mut self.reader);
            let pulled = guarded(name, || {
                let batch = reader.next().transpose();
                batch.map_err(|error| Error::Data(format!("{name}: the stream ended with an error: {error}")))
            });
            match pulled? {
                Some(batch) => self.batch = Some((batch, 0)),
                None => return Ok(None),
            }
        }
    }
}

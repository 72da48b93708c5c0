//! A fold over files or a stream, on several threads, that can be watched and stopped.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::by_prompt::{self, ByPrompt};
use crate::columns::Table;
use crate::counter::Counter;
use crate::error::{Error, Origin, Result};
use crate::feed::{Feed, Piece, Source};
use crate::guard::guarded;
use crate::pages::Block;
use crate::parts::Part;
use crate::read::Shard;
use crate::runs::{self, KeyRun};
use crate::shelf::{Shelf, shelves};
use crate::state::{Setup, State};

/// How often the calling thread is asked whether to go on.
const TICK: Duration = Duration::from_millis(50);

/// Fold `traces` and `rounds` on `threads` threads. The calling thread only watches: about 20 times a second `tick`
/// gets the rows done and, where known, the rows in all, and says whether to go on.
///
/// Every worker has counters of its own, and these are added up, so the result does not depend on who took what.
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
    if rounds.is_some() && !setup.parts.has(Part::Prompts) {
        return Err(Error::Argument(
            "rounds are read for the part prompts alone, which parts leaves out".into(),
        ));
    }
    let sources = [Some((Table::Traces, traces)), rounds.map(|rounds| (Table::Rounds, rounds))];
    let mut feeds = Vec::new();
    for (table, source) in sources.into_iter().flatten() {
        feeds.push(Feed::new(table, source, setup.parts, threads, &mut tick)?);
    }
    let total = feeds.iter().map(Feed::rows).sum();
    let work = Work {
        feeds,
        done: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        first_error: Mutex::default(),
        state: Mutex::new(State::empty(Arc::clone(setup))),
        counted: RwLock::default(),
        next_shelf: AtomicUsize::new(0),
        shelves: shelves(setup.groups.prompts().len(), 0).into_iter().map(Mutex::new).collect(),
    };
    let meeting = Barrier::new(threads);
    watched(
        threads,
        || {
            let counter = Counter::new(Arc::clone(setup));
            let (block, runs, buffer) = (Block::default(), Vec::new(), Buffer::default());
            let mut worker = Worker { counter, block, runs, buffer };
            {
                let _all = Meeting(&meeting);
                work.run(&mut worker);
                work.hand_over(worker.counter);
            }
            work.add_up();
        },
        || {
            let go_on = tick(work.done.load(Ordering::Relaxed), total);
            work.stop.fetch_or(!go_on, Ordering::Relaxed);
        },
    )?;
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
    let mut state = work.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (sums, more) in state.shelves.iter_mut().zip(work.shelves) {
        sums.merge(more.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    Ok(state)
}

/// Waits for all others when it ends, also where a thread panics.
struct Meeting<'a>(&'a Barrier);

impl Drop for Meeting<'_> {
    fn drop(&mut self) {
        self.0.wait();
    }
}

/// Run `worker` on `threads` threads while the calling thread calls `tick`: on all of them or, where the system does not
/// give as many, on none, since workers wait for each other.
///
/// # Errors
/// [`Error::Threads`].
pub fn watched(threads: usize, worker: impl Fn() + Sync, mut tick: impl FnMut()) -> Result<()> {
    let (gate, all_there) = (Mutex::new(()), AtomicBool::new(true));
    thread::scope(|scope| {
        let closed = lock(&gate);
        let (alive, ended) = channel::<()>();
        for _ in 0..threads {
            let (alive, worker, gate, all_there) = (alive.clone(), &worker, &gate, &all_there);
            let work = move || {
                drop(lock(gate));
                if all_there.load(Ordering::Relaxed) {
                    worker();
                }
                drop(alive);
            };
            if let Err(source) = thread::Builder::new().spawn_scoped(scope, work) {
                all_there.store(false, Ordering::Relaxed);
                return Err(Error::Threads { threads, source });
            }
        }
        drop((alive, closed));
        while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            tick();
        }
        Ok(())
    })
}

/// What a mutex guards, also where a thread that had it panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a piece of work stands in reading order: which feed, which piece of it.
type Turn = (usize, usize);

struct Work {
    feeds: Vec<Feed>,
    done: AtomicU64,
    stop: AtomicBool,
    first_error: Mutex<Option<(Turn, Error)>>,
    state: Mutex<State>,
    /// What each thread has counted by prompt, and where it is added up: by all threads, each another shelf, since this is
    /// as much work as some of the counting.
    counted: RwLock<Vec<ByPrompt>>,
    next_shelf: AtomicUsize,
    shelves: Vec<Mutex<Shelf>>,
}

/// What a thread keeps from piece to piece.
struct Worker {
    counter: Counter,
    block: Block,
    runs: Vec<KeyRun>,
    buffer: Buffer,
}

impl Work {
    fn run(&self, worker: &mut Worker) {
        for (at, feed) in self.feeds.iter().enumerate() {
            while let Some(piece) = feed.next() {
                let turn = (at, piece.place());
                if !self.wanted(turn) {
                    break;
                }
                if let Err(error) = self.fold(worker, feed.table, piece, turn) {
                    self.fail(turn, error);
                }
            }
        }
    }

    fn fold(&self, worker: &mut Worker, table: Table, piece: Piece<'_>, turn: Turn) -> Result<()> {
        match piece {
            Piece::Shard { file, .. } => {
                let parts = worker.counter.setup().parts;
                let shard = Shard::load(file, table, parts, &|| self.wanted(turn), &mut worker.buffer)?;
                let mut first_row = 0;
                for (row_group, rows) in shard.row_groups().enumerate() {
                    self.fold_row_group(worker, table, &shard, (row_group, first_row), turn)?;
                    first_row += rows;
                }
                Ok(())
            }
            Piece::RowGroup { shard, row_group, first_row, .. } => {
                self.fold_row_group(worker, table, shard, (row_group, first_row), turn)
            }
            Piece::Slice(slice) => {
                let origin = Origin::named(table.name());
                guarded(&origin, || {
                    let batch = slice.batch?;
                    self.make_room(&mut worker.counter, batch.num_rows());
                    table.fold(&mut worker.counter, &batch, &origin, slice.first_row)?;
                    self.count(batch.num_rows());
                    Ok(())
                })
            }
        }
    }

    /// Fold a row group, given with the number of rows of its shard before it.
    fn fold_row_group(
        &self,
        worker: &mut Worker,
        table: Table,
        shard: &Shard,
        (row_group, first_row): (usize, u64),
        turn: Turn,
    ) -> Result<()> {
        let Worker { counter, block, runs, .. } = worker;
        if table == Table::Traces {
            let whole = shard.read_blocks(row_group, block, |block, origin| {
                self.make_room(counter, block.rows);
                runs::join(&block.prompt, &block.sample, runs);
                let folded = counter.fold_traces(runs, &block.columns());
                folded.map_err(|fault| origin.fault_error(&fault, first_row + block.first_row))?;
                self.count(block.rows);
                Ok(self.wanted(turn))
            })?;
            if whole {
                return Ok(());
            }
        }
        shard.read_batches(row_group, |batch, origin, rows| {
            self.make_room(counter, batch.num_rows());
            table.fold(counter, batch, origin, first_row + rows)?;
            self.count(batch.num_rows());
            Ok(self.wanted(turn))
        })?;
        match table {
            // Blocks before the null are counted twice now: only the error for it may come of reading again.
            Table::Traces => Err(shard.error(row_group, &"a null, which is none when it is read again")),
            Table::Rounds | Table::Paths | Table::Tails => Ok(()),
        }
    }

    fn make_room(&self, counter: &mut Counter, rows: usize) {
        if counter.is_full(rows) {
            counter.flush(&mut lock(&self.state));
        }
    }

    fn hand_over(&self, mut counter: Counter) {
        if !self.stop.load(Ordering::Relaxed) {
            counter.flush_shared(&mut lock(&self.state));
            let by_prompt = counter.into_by_prompt();
            self.counted.write().unwrap_or_else(PoisonError::into_inner).push(by_prompt);
        }
    }

    /// Add up by prompt what was handed over.
    fn add_up(&self) {
        let counted = self.counted.read().unwrap_or_else(PoisonError::into_inner);
        while !self.stop.load(Ordering::Relaxed) {
            let at = self.next_shelf.fetch_add(1, Ordering::Relaxed);
            let Some(place) = self.shelves.get(at) else { break };
            *lock(place) = by_prompt::shelf(&counted, at);
        }
    }

    fn count(&self, rows: usize) {
        self.done.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Whether the piece of this turn can still matter: nobody said stop, and no earlier piece is at fault.
    fn wanted(&self, turn: Turn) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            return false;
        }
        lock(&self.first_error).as_ref().is_none_or(|(first, _)| turn < *first)
    }

    fn fail(&self, turn: Turn, error: Error) {
        let mut first = lock(&self.first_error);
        if first.as_ref().is_none_or(|(earlier, _)| turn < *earlier) {
            *first = Some((turn, error));
        }
    }
}

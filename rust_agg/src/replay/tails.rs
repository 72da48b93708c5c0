//! Where the drafts' continuations lie, and those of a batch of paths.
//!
//! Tails come in shards of their own, in any order of shards. Before the first path, the prompts and samples of all of
//! them are read (they stand in long runs), so that it is known for each path in which shard and at which rows its tails
//! lie: some 40 bytes for each path. The tails themselves are then read with the batch of paths that they belong to, and
//! kept no longer. Where both tables are in the same order within their shards, every tail is decoded once. A stream
//! can be read only once and is held as it came.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_array::types::{UInt16Type, UInt64Type};
use rustc_hash::FxHashMap;

use crate::columns::{Table, changed, first_null, slice};
use crate::error::{Error, Fault, Origin, Result};
use crate::feed::Source;
use crate::guard::guarded;
use crate::pages::TailBlock;
use crate::parts::Parts;
use crate::read::{BATCH_ROWS, Shard, Stop};
use crate::run::{lock, watched};
use crate::runs::{self, KeyRun};
use crate::shard_file::ShardFile;
use crate::stream::Cursor;

/// The columns that say whose a row is.
const KEYS: [&str; 2] = ["prompt", "sample"];
/// The others.
pub const VALUES: [&str; 5] = ["start", "offset", "token", "q", "p"];

/// All tails of a call.
pub struct Store {
    pub(super) sources: Sources,
    index: FxHashMap<(u64, u16), u32>,
    entries: Vec<Entry>,
    /// Whether the path of each entry was seen.
    used: Vec<AtomicBool>,
}

/// Tables of tails.
pub enum Sources {
    /// Files.
    Shards(Vec<Shard>),
    /// A stream: its batches, each with the rows before it.
    Batches(Vec<(u64, RecordBatch)>),
}

/// The tails of one path.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    prompt: u64,
    sample: u16,
    /// Which shard; 0 for a stream.
    pub source: u32,
    /// Their rows there.
    pub first_row: u64,
    /// How many.
    pub rows: u64,
}

impl Store {
    /// Find out where the tails of each path lie.
    ///
    /// # Errors
    /// Those of [`Shard`] and of a stream, [`Error::Data`] where the tails of a path stand in two places,
    /// [`Error::Interrupted`] where `tick` says so.
    pub fn new(
        source: Source,
        threads: usize,
        tick: &mut impl FnMut(u64, Option<u64>) -> bool,
    ) -> Result<Self> {
        let (sources, found) = match source {
            Source::Files(files) => {
                let opened = open_all(&files, threads, tick)?;
                let (shards, found): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
                (Sources::Shards(shards), found)
            }
            Source::Stream(reader, _) => {
                let origin = Origin::named(Table::Tails.name());
                Table::Tails.check_schema(&reader.schema(), Parts::all(), &origin)?;
                let (batches, found) = hold_all(Cursor::new(reader, origin), tick)?;
                (Sources::Batches(batches), vec![found])
            }
        };
        let mut store = Self { sources, index: FxHashMap::default(), entries: Vec::new(), used: Vec::new() };
        for (source, runs) in (0..).zip(found) {
            store.add(source, &runs)?;
        }
        store.used.resize_with(store.entries.len(), AtomicBool::default);
        Ok(store)
    }

    fn add(&mut self, source: u32, runs: &[(KeyRun, u64)]) -> Result<()> {
        for (run, first_row) in runs {
            let entry = Entry {
                prompt: run.prompt,
                sample: run.sample,
                source,
                first_row: *first_row,
                rows: run.end.into(),
            };
            // Runs of one path that touch are one: they were cut where blocks end.
            match self.entries.last_mut() {
                Some(last)
                    if (last.prompt, last.sample, last.source) == (entry.prompt, entry.sample, source)
                        && last.first_row + last.rows == entry.first_row =>
                {
                    last.rows += entry.rows;
                    continue;
                }
                _ => {}
            }
            let at = u32::try_from(self.entries.len()).map_err(|_| Error::data("tails: too many paths"))?;
            if let Some(other) = self.index.insert((run.prompt, run.sample), at) {
                let other = &self.entries[other as usize];
                let (row, origin) = (other.first_row, self.origin(other.source));
                let problem = format!(
                    "{}, whose sample {} has tails at row {row} of {} already, wanted together",
                    run.prompt, run.sample, origin.name
                );
                return Err(self.fault(&entry, 0, "prompt", problem));
            }
            self.entries.push(entry);
        }
        Ok(())
    }

    /// Where the tails of a path lie; none where it has none.
    #[must_use]
    pub fn find(&self, prompt: u64, sample: u16) -> Option<Entry> {
        let at = *self.index.get(&(prompt, sample))? as usize;
        self.used[at].store(true, Ordering::Relaxed);
        Some(self.entries[at])
    }

    /// Refuse where there are tails of a path that was not seen.
    ///
    /// # Errors
    /// [`Error::Data`].
    pub fn check_used(&self) -> Result<()> {
        let unused = self.used.iter().position(|used| !used.load(Ordering::Relaxed));
        unused.map_or(Ok(()), |at| {
            let entry = self.entries[at];
            let problem = format!("{}, whose sample {} has tails and no path", entry.prompt, entry.sample);
            Err(self.fault(&entry, 0, "prompt", problem))
        })
    }

    /// The error that a row of a path's tails is at fault.
    #[must_use]
    pub fn fault(&self, entry: &Entry, row: u64, column: &'static str, problem: String) -> Error {
        let row = entry.first_row + row;
        let origin = match &self.sources {
            Sources::Shards(shards) => shards[entry.source as usize].origin_of(Some(row)),
            Sources::Batches(_) => self.origin(entry.source),
        };
        origin.fault_error(&Fault { row: 0, column, problem }, row)
    }

    fn origin(&self, source: u32) -> Origin {
        match &self.sources {
            Sources::Shards(shards) => shards[source as usize].origin_of(None),
            Sources::Batches(_) => Origin::named(Table::Tails.name()),
        }
    }
}

/// Runs of rows of one path, with the row at which each begins; its `end` is its length.
type Found = Vec<(KeyRun, u64)>;

fn push(found: &mut Found, runs: &[KeyRun], first_row: u64) {
    let mut start = 0;
    for run in runs {
        found.push((KeyRun { end: run.end - start, ..*run }, first_row + u64::from(start)));
        start = run.end;
    }
}

/// A file's place among others, and what came of opening it.
type Opened = (usize, Result<(Shard, Found)>);

/// Open all files on all threads, and find out whose their rows are.
fn open_all(
    files: &[ShardFile],
    threads: usize,
    tick: &mut impl FnMut(u64, Option<u64>) -> bool,
) -> Result<Vec<(Shard, Found)>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let opened: Mutex<Vec<Opened>> = Mutex::default();
    let open_some = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(at) else { return };
            let shard = open(file, &|| !stop.load(Ordering::Relaxed));
            lock(&opened).push((at, shard));
        }
    };
    watched(threads.min(files.len()), open_some, || {
        stop.fetch_or(!tick(0, None), Ordering::Relaxed);
    })?;
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let mut opened = std::mem::take(&mut *lock(&opened));
    opened.sort_by_key(|(at, _)| *at);
    opened.into_iter().map(|(_, shard)| shard).collect()
}

fn open(file: &ShardFile, go_on: &dyn Fn() -> bool) -> Result<(Shard, Found)> {
    let shard = Shard::open(file, Table::Tails, Parts::all(), go_on)?;
    let keys = shard.only(&KEYS);
    let (mut found, mut joined, mut block) = (Vec::new(), Vec::new(), TailBlock::default());
    let mut first_row = 0;
    for row_group in 0..shard.row_groups().count() {
        let mut blocks = keys.blocks::<TailBlock>(row_group)?;
        loop {
            match blocks.next(&mut block, BATCH_ROWS) {
                Ok(true) if go_on() => {}
                Ok(true) => return Err(Error::Interrupted),
                Ok(false) => break,
                Err(Stop::Null(column, row)) => return Err(null(&shard, column, first_row + row)),
                Err(Stop::Error(error)) => return Err(error),
            }
            runs::join(&block.prompt, &block.sample, &mut joined);
            push(&mut found, &joined, first_row + block.first_row);
        }
        first_row += shard.row_groups().nth(row_group).unwrap_or(0);
    }
    Ok((shard.only(&VALUES), found))
}

/// The error for a null.
pub fn null(shard: &Shard, column: &'static str, row: u64) -> Error {
    let problem = "null, and none may stand here".into();
    shard.origin_of(Some(row)).fault_error(&Fault { row: 0, column, problem }, row)
}

type Held = Vec<(u64, RecordBatch)>;

/// Read a stream to its end, and find out whose its rows are.
fn hold_all(cursor: Cursor, tick: &mut impl FnMut(u64, Option<u64>) -> bool) -> Result<(Held, Found)> {
    let origin = Origin::named(Table::Tails.name());
    let (mut held, mut found, mut joined) = (Vec::new(), Vec::new(), Vec::new());
    for slice_of in cursor {
        if !tick(0, None) {
            return Err(Error::Interrupted);
        }
        let (batch, first_row) = (slice_of.batch?, slice_of.first_row);
        if let Some(fault) = first_null(&batch, Table::Tails.columns()) {
            return Err(origin.fault_error(&fault, first_row));
        }
        guarded(&origin, || {
            let keys = slice::<UInt64Type>(&batch, KEYS[0]).zip(slice::<UInt16Type>(&batch, KEYS[1]));
            let (prompt, sample) = keys.ok_or_else(|| changed(&origin))?;
            runs::cut(prompt, sample, &mut joined);
            Ok(())
        })?;
        push(&mut found, &joined, first_row);
        held.push((first_row, batch));
    }
    Ok((held, found))
}

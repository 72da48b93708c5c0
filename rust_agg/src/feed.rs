//! Where a table comes from, cut into pieces that threads take in order.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow_array::RecordBatchReader;

use crate::columns::Table;
use crate::error::{Error, Origin, Result};
use crate::parts::Parts;
use crate::read::Shard;
use crate::run::{lock, watched};
use crate::shard_file::{Known, ShardFile};
use crate::stream::{Cursor, Slice};

/// A longer shard is not loaded as a whole, so that threads need little memory; in bytes.
const LARGEST_LOADED: u64 = 1 << 26;
/// Shards for each thread from which on whole shards are dealt out; fewer are dealt out by row groups.
const SHARDS_PER_THREAD: usize = 4;

/// Where a table comes from.
pub enum Source {
    /// Parquet files.
    Files(Vec<ShardFile>),
    /// Record batches, with the number of rows to come where that is known.
    Stream(Box<dyn RecordBatchReader + Send>, Option<u64>),
}

/// One table, cut into pieces.
pub struct Feed {
    /// Which.
    pub table: Table,
    pieces: Pieces,
}

enum Pieces {
    Shards { files: Vec<ShardFile>, rows: u64, next: AtomicUsize },
    RowGroups { shards: Vec<Shard>, row_groups: Vec<(usize, usize, u64)>, rows: u64, next: AtomicUsize },
    Stream { cursor: Mutex<Cursor>, rows: Option<u64> },
}

/// What a thread takes. Every piece has a place in reading order, by which the first of several errors is known.
pub enum Piece<'a> {
    /// A whole shard, to be read once.
    Shard {
        /// Its place.
        at: usize,
        /// The file.
        file: &'a ShardFile,
    },
    /// A row group of a shard that was opened.
    RowGroup {
        /// Its place.
        at: usize,
        /// The shard.
        shard: &'a Shard,
        /// Which of its row groups.
        row_group: usize,
        /// Rows of the shard before it.
        first_row: u64,
    },
    /// Rows of a stream.
    Slice(Slice),
}

impl Piece<'_> {
    /// Its place in reading order.
    #[must_use]
    pub fn place(&self) -> usize {
        match self {
            Self::Shard { at, .. } | Self::RowGroup { at, .. } | Self::Slice(Slice { at, .. }) => *at,
        }
    }
}

impl Feed {
    /// Cut a source into pieces for `threads` threads. Files of which nothing is known are opened, on all threads.
    ///
    /// # Errors
    /// Those of [`Shard::open`] and [`Table::check_schema`]; [`Error::Interrupted`] where `tick` says so.
    pub fn new(
        table: Table,
        source: Source,
        parts: Parts,
        threads: usize,
        tick: &mut impl FnMut(u64, Option<u64>) -> bool,
    ) -> Result<Self> {
        let pieces = match source {
            Source::Files(files) => match rows_if_loaded(&files, threads) {
                Some(rows) => Pieces::Shards { files, rows, next: AtomicUsize::new(0) },
                None => row_groups(open_all(&files, table, parts, threads, tick)?),
            },
            Source::Stream(reader, rows) => {
                let origin = Origin::named(table.name());
                table.check_schema(&reader.schema(), parts, &origin)?;
                Pieces::Stream { cursor: Mutex::new(Cursor::new(reader, origin)), rows }
            }
        };
        Ok(Self { table, pieces })
    }

    /// Rows in all, where that is known.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        match &self.pieces {
            Pieces::Shards { rows, .. } | Pieces::RowGroups { rows, .. } => Some(*rows),
            Pieces::Stream { rows, .. } => *rows,
        }
    }

    /// The file of the piece at a place; none for a stream.
    #[must_use]
    pub fn file(&self, at: usize) -> Option<PathBuf> {
        match &self.pieces {
            Pieces::Shards { files, .. } => files.get(at).map(|file| file.path.clone()),
            Pieces::RowGroups { shards, row_groups, .. } => {
                shards[row_groups.get(at)?.0].origin_of(None).file
            }
            Pieces::Stream { .. } => None,
        }
    }

    /// The next piece that no thread has taken.
    pub fn next(&self) -> Option<Piece<'_>> {
        match &self.pieces {
            Pieces::Shards { files, next, .. } => {
                let at = next.fetch_add(1, Ordering::Relaxed);
                Some(Piece::Shard { at, file: files.get(at)? })
            }
            Pieces::RowGroups { shards, row_groups, next, .. } => {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let (shard, row_group, first_row) = *row_groups.get(at)?;
                Some(Piece::RowGroup { at, shard: &shards[shard], row_group, first_row })
            }
            Pieces::Stream { cursor, .. } => lock(cursor).next().map(Piece::Slice),
        }
    }
}

/// All rows, where every file is known, short enough to be loaded, and there are enough for the threads.
fn rows_if_loaded(files: &[ShardFile], threads: usize) -> Option<u64> {
    if files.len() < threads.saturating_mul(SHARDS_PER_THREAD) {
        return None;
    }
    let known: Option<Vec<Known>> = files.iter().map(|file| file.known).collect();
    let known = known?;
    let short = known.iter().all(|known| known.length <= LARGEST_LOADED);
    short.then(|| known.iter().map(|known| known.rows).fold(0, u64::saturating_add))
}

fn row_groups(shards: Vec<Shard>) -> Pieces {
    let (mut row_groups, mut rows) = (Vec::new(), 0);
    for (at, shard) in shards.iter().enumerate() {
        let mut first_row = 0;
        for (row_group, n) in shard.row_groups().enumerate() {
            row_groups.push((at, row_group, first_row));
            first_row += n;
        }
        rows += first_row;
    }
    Pieces::RowGroups { shards, row_groups, rows, next: AtomicUsize::new(0) }
}

fn open_all(
    files: &[ShardFile],
    table: Table,
    parts: Parts,
    threads: usize,
    tick: &mut impl FnMut(u64, Option<u64>) -> bool,
) -> Result<Vec<Shard>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let opened: Mutex<Vec<(usize, Result<Shard>)>> = Mutex::default();
    let open_some = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(at) else { return };
            let shard = Shard::open(file, table, parts, &|| !stop.load(Ordering::Relaxed));
            lock(&opened).push((at, shard));
        }
    };
    watched(threads.min(files.len()), open_some, || {
        stop.fetch_or(!tick(0, None), Ordering::Relaxed);
    })?;
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let mut opened = opened.into_inner().unwrap_or_else(PoisonError::into_inner);
    opened.sort_by_key(|(at, _)| *at);
    opened.into_iter().map(|(_, shard)| shard).collect()
}

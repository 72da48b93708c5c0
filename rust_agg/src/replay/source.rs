//! Where paths come from: files and streams cut into pieces that threads take, and pieces read as batches of whole paths.
//!
//! A path begins at offset 0. So whoever reads a row group takes the paths that begin in it: it passes over the rows
//! before the first offset 0, and reads on in the next row group up to the first offset 0 there. A stream is cut at
//! offsets 0 alike. No row is left out, whatever it holds.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;

use arrow_array::types::UInt16Type;

use super::cuts::{Cut, Cuts};
use super::paths::Paths;
use crate::buffer::Buffer;
use crate::columns::{Table, changed, first_null, slice};
use crate::error::{Origin, Result};
use crate::feed::{Feed, Piece, Source};
use crate::guard::guarded;
use crate::pages::PathBlock;
use crate::parts::{Part, Parts};
use crate::read::{BATCH_ROWS, Shard, Stop};
use crate::run::lock;
use crate::runs;
use crate::stream::Cursor;

/// Rows of a batch from which on its whole paths are handed over: what is known of them stays in the second-level cache.
const BATCH: usize = 1 << 14;
/// More rows than any path has.
pub const ENDLESS: usize = 1 << 17;

/// Paths in pieces.
pub struct Pieces {
    parts: Parts,
    kind: Kind,
}

enum Kind {
    Files(Feed),
    Stream { cuts: Mutex<Cuts>, rows: Option<u64> },
}

/// A piece and its place in reading order.
pub struct Taken<'a> {
    /// Its place.
    pub at: usize,
    what: What<'a>,
}

enum What<'a> {
    File(Piece<'a>),
    Cut(Cut),
}

/// What takes the batches of a piece: whole paths, and the source in the words of messages, with the row group of a row.
/// It says whether to go on.
pub type Each<'a> = dyn FnMut(&mut Paths, &dyn Fn(u64) -> Origin) -> bool + 'a;

impl Pieces {
    /// Cut a source into pieces for `threads` threads. The columns are those that a replay of `parts` needs.
    ///
    /// # Errors
    /// Those of [`Feed::new`].
    pub fn new(
        source: Source,
        parts: Parts,
        threads: usize,
        tick: &mut impl FnMut(u64, Option<u64>) -> bool,
    ) -> Result<Self> {
        let kind = match source {
            Source::Files(_) => Kind::Files(Feed::new(Table::Paths, source, parts, threads, tick)?),
            Source::Stream(reader, rows) => {
                let origin = Origin::named(Table::Paths.name());
                Table::Paths.check_schema(&reader.schema(), parts, &origin)?;
                Kind::Stream { cuts: Mutex::new(Cuts::new(Cursor::new(reader, origin))), rows }
            }
        };
        Ok(Self { parts, kind })
    }

    /// Rows in all, where that is known.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        match &self.kind {
            Kind::Files(feed) => feed.rows(),
            Kind::Stream { rows, .. } => *rows,
        }
    }

    /// The next piece that no thread has taken.
    pub fn next(&self) -> Option<Taken<'_>> {
        match &self.kind {
            Kind::Files(feed) => {
                let piece = feed.next()?;
                Some(Taken { at: piece.place(), what: What::File(piece) })
            }
            Kind::Stream { cuts, .. } => {
                let cut = lock(cuts).next()?;
                Some(Taken { at: cut.at, what: What::Cut(cut) })
            }
        }
    }

    /// The file of the piece at a place; none for a stream.
    #[must_use]
    pub fn file(&self, at: usize) -> Option<PathBuf> {
        match &self.kind {
            Kind::Files(feed) => feed.file(at),
            Kind::Stream { .. } => None,
        }
    }
}

/// What a thread keeps from piece to piece.
#[derive(Default)]
pub struct Reader {
    block: PathBlock,
    paths: Paths,
    rest: Paths,
    buffer: Buffer,
    /// Whether overlap and entropy are needed.
    measured: bool,
}

impl Reader {
    /// Read a piece batch by batch; `go_on` is asked while a file is hashed.
    ///
    /// # Errors
    /// Those of [`Shard`] and of a stream. The whole paths before are handed over first.
    pub fn read(
        &mut self,
        pieces: &Pieces,
        taken: Taken<'_>,
        go_on: &dyn Fn() -> bool,
        each: &mut Each<'_>,
    ) -> Result<()> {
        self.paths.clear(0);
        self.measured = pieces.parts.has(Part::Prompts);
        match taken.what {
            What::File(Piece::Shard { file, .. }) => {
                let mut buffer = std::mem::take(&mut self.buffer);
                let shard = Shard::load(file, Table::Paths, pieces.parts, go_on, &mut buffer);
                let read = shard.and_then(|shard| self.read_file(&shard, None, each));
                self.buffer = buffer;
                read
            }
            What::File(Piece::RowGroup { shard, row_group, .. }) => {
                self.read_file(shard, Some(row_group), each)
            }
            What::File(Piece::Slice(_)) => Ok(()),
            What::Cut(cut) => self.read_cut(cut, each),
        }
    }

    /// Read a file, or the paths that begin in one of its row groups.
    fn read_file(&mut self, shard: &Shard, only: Option<usize>, each: &mut Each<'_>) -> Result<()> {
        let rows: Vec<u64> = shard.row_groups().collect();
        let first = only.unwrap_or(0);
        let mut first_row = rows[..first.min(rows.len())].iter().sum();
        let mut extent = Extent { skips: first > 0, ends: false, done: false };
        let origin = |row| shard.origin_of(Some(row));
        for (row_group, n) in rows.into_iter().enumerate().skip(first) {
            extent.ends = only.is_some_and(|only| row_group > only);
            let read = self.read_row_group(shard, (row_group, first_row), &mut extent, &origin, each);
            match read {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    self.hand_over(false, &origin, each);
                    return Err(error);
                }
            }
            if extent.done || (extent.skips && only.is_some()) {
                break;
            }
            first_row += n;
        }
        self.hand_over(true, &origin, each);
        Ok(())
    }

    /// Read a row group, given with the rows of its file before it; false where `each` says to stop.
    fn read_row_group(
        &mut self,
        shard: &Shard,
        (row_group, first_row): (usize, u64),
        extent: &mut Extent,
        origin: &dyn Fn(u64) -> Origin,
        each: &mut Each<'_>,
    ) -> Result<bool> {
        let mut blocks = shard.blocks::<PathBlock>(row_group)?;
        let mut joined = Vec::new();
        let mut read = 0;
        loop {
            let mut block = std::mem::take(&mut self.block);
            match blocks.next(&mut block, BATCH_ROWS) {
                Ok(false) => break,
                Ok(true) => {}
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Null(..)) => return self.read_to_null(shard, (row_group, first_row), read, extent),
            }
            let rows = extent.part(&block.offset);
            runs::join(&block.prompt, &block.sample, &mut joined);
            self.begin(first_row + read + rows.start as u64);
            self.paths.extend_block(&block, &joined, rows, self.measured);
            read += block.rows as u64;
            self.block = block;
            if extent.done {
                break;
            }
            if self.paths.n_rows() >= BATCH && !self.hand_over(false, origin, each) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Take the rows of a row group that come before its first null, but the first `read`, and name the null.
    fn read_to_null(
        &mut self,
        shard: &Shard,
        (row_group, first_row): (usize, u64),
        read: u64,
        extent: &mut Extent,
    ) -> Result<bool> {
        shard.read_batches(row_group, |batch, origin, before| {
            let null = first_null(batch, Table::Paths.columns());
            let end = null.as_ref().map_or(batch.num_rows(), |fault| fault.row);
            let start = usize::try_from(read.saturating_sub(before)).unwrap_or(usize::MAX).min(end);
            let offset = slice::<UInt16Type>(batch, "offset").ok_or_else(|| changed(origin))?;
            let rows = extent.part(&offset[start..end]);
            let rows = start + rows.start..start + rows.end;
            self.begin(first_row + before + rows.start as u64);
            self.paths.extend_batch(batch, rows, self.measured).ok_or_else(|| changed(origin))?;
            match null {
                Some(fault) if !extent.done => Err(origin.fault_error(&fault, first_row + before)),
                _ => Ok(!extent.done),
            }
        })?;
        if extent.done {
            Ok(true)
        } else {
            Err(shard.error(row_group, &"a null, which is none when read again"))
        }
    }

    fn read_cut(&mut self, cut: Cut, each: &mut Each<'_>) -> Result<()> {
        let origin = |_| Origin::named(Table::Paths.name());
        for (first_row, batch) in &cut.batches {
            self.begin(*first_row);
            guarded(&origin(0), || {
                let taken = self.paths.extend_batch(batch, 0..batch.num_rows(), self.measured);
                taken.ok_or_else(|| changed(&origin(0)))
            })?;
            if self.paths.n_rows() >= BATCH && !self.hand_over(false, &origin, each) {
                return Ok(());
            }
        }
        self.hand_over(cut.error.is_none(), &origin, each);
        cut.error.map_or(Ok(()), Err)
    }

    /// Say which row of the source the next one is, where none is held.
    fn begin(&mut self, row: u64) {
        if self.paths.n_rows() == 0 {
            self.paths.first_row = row;
        }
    }

    /// Hand over all paths, or those that are known to be whole.
    fn hand_over(&mut self, all: bool, origin: &dyn Fn(u64) -> Origin, each: &mut Each<'_>) -> bool {
        let (n, whole) = (self.paths.n_rows(), self.paths.n_whole_rows());
        let endless = whole == 0 && n > ENDLESS;
        let n = if all || endless { n } else { whole };
        if n == 0 {
            return true;
        }
        self.paths.split_off(n, &mut self.rest);
        let go_on = each(&mut self.paths, origin);
        std::mem::swap(&mut self.paths, &mut self.rest);
        go_on
    }
}

/// Which rows of a file are read.
struct Extent {
    /// Nothing yet: the first path begins at the first offset 0.
    skips: bool,
    /// No path begins any more: the next offset 0 is the end.
    ends: bool,
    done: bool,
}

impl Extent {
    /// The rows that are read, of those that come next.
    fn part(&mut self, offset: &[u16]) -> Range<usize> {
        let begin = || offset.iter().position(|offset| *offset == 0);
        if self.done {
            return 0..0;
        }
        if self.skips {
            let start = begin();
            self.skips = start.is_none();
            return start.unwrap_or(offset.len())..offset.len();
        }
        if self.ends {
            let end = begin();
            self.done = end.is_some();
            return 0..end.unwrap_or(offset.len());
        }
        0..offset.len()
    }
}

//! Reads the tails of a batch of paths, and checks them.

#![allow(clippy::cast_possible_truncation, reason = "rows of a batch are fewer than 2³²")]

use std::ops::Range;

use arrow_array::types::{Float32Type, UInt16Type, UInt32Type};

use super::drive::{Batch, Failure};
use super::paths::Path;
use super::tail_rows::Tails;
use super::tails::{Entry, Sources, Store, null};
use crate::columns::slice;
use crate::error::{Error, Result};
use crate::pages::TailBlock;
use crate::read::{BATCH_ROWS, Blocks, Shard, Stop};
use crate::rows::{check_probability, exceeds};

/// Rows of tails as they are stored.
#[derive(Clone, Copy)]
struct Rows<'a> {
    start: &'a [u16],
    offset: &'a [u16],
    token: &'a [u32],
    q: &'a [f32],
    p: &'a [f32],
}

impl Rows<'_> {
    fn slice(self, rows: &Range<usize>) -> Self {
        Self {
            start: &self.start[rows.clone()],
            offset: &self.offset[rows.clone()],
            token: &self.token[rows.clone()],
            q: &self.q[rows.clone()],
            p: &self.p[rows.clone()],
        }
    }
}

/// Reads tails. Where they come in the order in which they are stored, each block is decoded once.
pub struct Reader<'a> {
    store: &'a Store,
    open: Option<Open<'a>>,
    block: TailBlock,
}

/// A row group that is being read: those of the file before it have so many rows.
struct Open<'a> {
    source: u32,
    row_group: usize,
    first_row: u64,
    blocks: Blocks<'a, TailBlock>,
}

impl<'a> Reader<'a> {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(store: &'a Store) -> Self {
        Self { store, open: None, block: TailBlock::default() }
    }

    /// Read the tails of all paths of a batch into `tails`, in place of what it held.
    ///
    /// # Errors
    /// A [`Failure`] for a tail that breaks the contract, or cannot be read.
    pub fn read(
        &mut self,
        batch: &Batch<'_>,
        eos: &[u32],
        thresholds: &[f64],
        tails: &mut Tails,
    ) -> std::result::Result<(), Failure> {
        tails.begin(batch.paths.n_rows(), thresholds.len());
        for path in batch.paths.iter() {
            let Some(entry) = self.store.find(path.prompt, path.sample) else { continue };
            let mut take =
                Take { store: self.store, entry, batch, path: &path, eos, tails, row: 0, last: None };
            self.rows(&entry, &mut |rows| take.rows(rows))
                .map_err(|error| Failure::new(path.rows.start, error))?;
        }
        tails.find_stops(thresholds);
        Ok(())
    }

    /// Give `each` the rows of an entry, in turn.
    fn rows(&mut self, entry: &Entry, each: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        let store = self.store;
        match &store.sources {
            Sources::Shards(shards) => {
                let shard = &shards[entry.source as usize];
                let mut row = entry.first_row;
                let end = entry.first_row + entry.rows;
                while row < end {
                    let first = self.turn_to(shard, entry.source, row)?;
                    let block = &self.block;
                    let rows = local(row, end, first, block.rows);
                    row += rows.len() as u64;
                    let all = Rows {
                        start: &block.start,
                        offset: &block.offset,
                        token: &block.token,
                        q: &block.q,
                        p: &block.p,
                    };
                    each(all.slice(&rows))?;
                }
                Ok(())
            }
            Sources::Batches(batches) => {
                let (mut row, end) = (entry.first_row, entry.first_row + entry.rows);
                let first = batches.partition_point(|(first, _)| *first <= row).saturating_sub(1);
                for (first, batch) in &batches[first..] {
                    if row >= end {
                        break;
                    }
                    let rows = local(row, end, *first, batch.num_rows());
                    row += rows.len() as u64;
                    let all = (|| {
                        Some(Rows {
                            start: slice::<UInt16Type>(batch, "start")?,
                            offset: slice::<UInt16Type>(batch, "offset")?,
                            token: slice::<UInt32Type>(batch, "token")?,
                            q: slice::<Float32Type>(batch, "q")?,
                            p: slice::<Float32Type>(batch, "p")?,
                        })
                    })();
                    let all = all.ok_or_else(|| Error::data("tails: a batch differs from the schema"))?;
                    each(all.slice(&rows))?;
                }
                Ok(())
            }
        }
    }

    /// Have the block at hand in which a row of a shard stands, and give the row of its file that it begins with.
    fn turn_to(&mut self, shard: &'a Shard, source: u32, row: u64) -> Result<u64> {
        if let Some(open) = &self.open
            && open.source == source
        {
            let first = open.first_row + self.block.first_row;
            if (first..first + self.block.rows as u64).contains(&row) {
                return Ok(first);
            }
        }
        let (mut row_group, mut first_row) = (0, 0);
        for rows in shard.row_groups() {
            if row < first_row + rows {
                break;
            }
            row_group += 1;
            first_row += rows;
        }
        // Only rows that come later can be read on to.
        let further = self.open.take().filter(|open| {
            (open.source, open.row_group) == (source, row_group)
                && row >= open.first_row + self.block.first_row + self.block.rows as u64
        });
        let mut open = match further {
            Some(open) => open,
            None => Open { source, row_group, first_row, blocks: shard.blocks(row_group)? },
        };
        loop {
            match open.blocks.next(&mut self.block, BATCH_ROWS) {
                Ok(true) => {}
                Ok(false) => return Err(shard.error(row_group, &"has fewer rows than its footer says")),
                Err(Stop::Null(column, at)) => return Err(null(shard, column, first_row + at)),
                Err(Stop::Error(error)) => return Err(error),
            }
            let first = first_row + self.block.first_row;
            if row < first + self.block.rows as u64 {
                self.open = Some(open);
                return Ok(first);
            }
        }
    }
}

/// The rows from `row` to `end` that lie in a block, which begins at `first` and has so many.
fn local(row: u64, end: u64, first: u64, rows: usize) -> Range<usize> {
    let place = |row: u64| usize::try_from(row - first).unwrap_or(usize::MAX).min(rows);
    place(row)..place(end)
}

/// Takes the rows of one path's tails.
struct Take<'a> {
    store: &'a Store,
    entry: Entry,
    batch: &'a Batch<'a>,
    path: &'a Path,
    eos: &'a [u32],
    tails: &'a mut Tails,
    /// Rows of the entry that were taken.
    row: u64,
    /// Start and offset of the last one.
    last: Option<(u16, u16)>,
}

impl Take<'_> {
    fn rows(&mut self, rows: Rows<'_>) -> Result<()> {
        let mut at = 0;
        for same in rows.start.chunk_by(PartialEq::eq) {
            self.tail(rows.slice(&(at..at + same.len())))?;
            at += same.len();
        }
        Ok(())
    }

    /// Take rows of one tail.
    fn tail(&mut self, rows: Rows<'_>) -> Result<()> {
        let (start, n) = (rows.start[0], rows.start.len());
        self.place(start, rows.offset[0])?;
        let lacking = rows.p.iter().fold(false, |lacking, p| lacking | p.is_nan());
        if !is_fine(rows, self.eos, lacking) {
            self.find_fault(rows)?;
        }
        let tails = &mut *self.tails;
        tails.token.extend_from_slice(rows.token);
        tails.q.extend_from_slice(rows.q);
        if lacking || !tails.lacks_p.is_empty() {
            tails.lacks_p.resize(tails.p.len(), false);
            tails.lacks_p.extend(rows.p.iter().map(|p| p.is_nan()));
        }
        tails.p.extend(rows.p.iter().map(|p| if p.is_nan() { 0.0 } else { *p }));
        if let (Some(end), Some(eos)) = (tails.ends.last_mut(), tails.final_eos.last_mut()) {
            *end += n as u32;
            *eos = self.eos.contains(&rows.token[n - 1]);
        }
        self.last = Some((start, rows.offset[n - 1]));
        self.row += n as u64;
        Ok(())
    }

    /// The first fault of rows of one tail, the first of which is in its place.
    fn find_fault(&self, rows: Rows<'_>) -> Result<()> {
        let mut ended = false;
        for (at, token) in rows.token.iter().enumerate() {
            let wrong =
                |column, problem| Err(self.store.fault(&self.entry, self.row + at as u64, column, problem));
            if at > 0 && rows.offset[at].checked_sub(1) != Some(rows.offset[at - 1]) {
                let (found, wanted) = (rows.offset[at], u32::from(rows.offset[at - 1]) + 1);
                return wrong(
                    "offset",
                    format!("{found} in the tail from {}, wanted {wanted}", rows.start[0]),
                );
            }
            if ended {
                return wrong("token", after_end(rows.offset[at]));
            }
            for (column, value) in [("q", rows.q[at]), ("p", rows.p[at])] {
                if let Err(fault) = check_probability(0, column, value)
                    && !(column == "p" && value.is_nan())
                {
                    return wrong(column, fault.problem);
                }
            }
            ended = self.eos.contains(token);
        }
        Ok(())
    }

    /// Check that a row follows the one before it, or begins a tail.
    fn place(&mut self, start: u16, offset: u16) -> Result<()> {
        let wrong = |column, problem| Err(self.store.fault(&self.entry, self.row, column, problem));
        let Path { prompt, sample, rows } = self.path;
        let begins = self.last.is_none_or(|(before, _)| before != start);
        let wanted = match self.last {
            Some((before, _)) if before > start => {
                let problem = format!("{start} after {before}, wanted the tails of a path in their order");
                return wrong("start", problem);
            }
            Some((_, before)) if !begins => u32::from(before) + 1,
            _ => u32::from(start) + 1,
        };
        if u32::from(offset) != wanted {
            return wrong("offset", format!("{offset} in the tail from {start}, wanted {wanted}"));
        }
        if !begins {
            if self.tails.final_eos.last() == Some(&true) {
                return wrong("token", after_end(offset));
            }
            return Ok(());
        }
        let row = rows.start + usize::from(start);
        if row >= rows.end || self.batch.paths.fate[row] != 0 || self.batch.ends[row] {
            let problem = format!(
                "{start}, where the path of prompt {prompt}, sample {sample} has no rejected proposal that a draft \
                 goes on from"
            );
            return wrong("start", problem);
        }
        let end = self.tails.ends.last().copied().unwrap_or(0);
        self.tails.ends.push(end);
        self.tails.final_eos.push(false);
        self.tails.at[row] = self.tails.ends.len() as u32;
        Ok(())
    }
}

/// Whether certainly no row of one tail breaks the contract, decided without branches.
fn is_fine(rows: Rows<'_>, eos: &[u32], lacking: bool) -> bool {
    let n = rows.offset.len();
    let first = rows.offset[0];
    let offsets = rows.offset.iter().enumerate();
    let gaps = offsets.fold(0, |differ, (at, offset)| differ | (offset ^ first.wrapping_add(at as u16)));
    let early = rows.token[..n - 1].iter().any(|token| eos.contains(token));
    let improbable = exceeds(rows.q, 1.0)
        | if lacking {
            rows.p.iter().filter(|p| !p.is_nan()).fold(0, |improbable, p| improbable | exceeds(&[*p], 1.0))
        } else {
            exceeds(rows.p, 1.0)
        };
    gaps == 0 && !early && improbable >> 31 == 0
}

fn after_end(offset: u16) -> String {
    format!("at offset {offset}, after a token that ends the text")
}

//! Streams of paths, cut where paths begin.

use arrow_array::RecordBatch;
use arrow_array::types::UInt16Type;

use super::source::ENDLESS;
use crate::columns::{Table, changed, first_null, slice};
use crate::error::{Error, Origin, Result};
use crate::guard::guarded;
use crate::stream::Cursor;

/// A piece of a stream: batches with the rows before each.
pub struct Cut {
    /// Its place.
    pub at: usize,
    /// The batches.
    pub batches: Vec<(u64, RecordBatch)>,
    /// What came after them.
    pub error: Option<Error>,
}

/// A stream, cut where paths begin.
pub struct Cuts {
    cursor: Cursor,
    at: usize,
    held: Vec<(u64, RecordBatch)>,
    n_held: usize,
    ended: bool,
}

impl Cuts {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(cursor: Cursor) -> Self {
        Self { cursor, at: 0, held: Vec::new(), n_held: 0, ended: false }
    }

    fn cut(&mut self, error: Option<Error>) -> Option<Cut> {
        self.ended |= error.is_some();
        if self.held.is_empty() && error.is_none() {
            return None;
        }
        self.at += 1;
        self.n_held = 0;
        Some(Cut { at: self.at - 1, batches: std::mem::take(&mut self.held), error })
    }

    /// The next piece.
    pub fn next(&mut self) -> Option<Cut> {
        if self.ended {
            return None;
        }
        while let Some(slice) = self.cursor.next() {
            let batch = match slice.batch {
                Ok(batch) => batch,
                Err(error) => return self.cut(Some(error)),
            };
            match self.take(slice.first_row, &batch) {
                Ok(Some(cut)) => return Some(cut),
                Ok(None) => {}
                Err(error) => return self.cut(Some(error)),
            }
        }
        self.ended = true;
        self.cut(None)
    }

    /// Hold the rows of a batch; give those held before, and its own, up to the last beginning of a path.
    fn take(&mut self, first_row: u64, batch: &RecordBatch) -> Result<Option<Cut>> {
        let origin = Origin::named(Table::Paths.name());
        if let Some(fault) = first_null(batch, Table::Paths.columns()) {
            self.hold(first_row, batch.slice(0, fault.row));
            return Err(origin.fault_error(&fault, first_row));
        }
        let offset =
            guarded(&origin, || slice::<UInt16Type>(batch, "offset").ok_or_else(|| changed(&origin)))?;
        let Some(begin) = offset.iter().rposition(|offset| *offset == 0) else {
            self.hold(first_row, batch.clone());
            return Ok(if self.n_held > ENDLESS { self.cut(None) } else { None });
        };
        self.hold(first_row, batch.slice(0, begin));
        let cut = self.cut(None);
        self.hold(first_row + begin as u64, batch.slice(begin, batch.num_rows() - begin));
        Ok(cut)
    }

    fn hold(&mut self, first_row: u64, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.n_held += batch.num_rows();
            self.held.push((first_row, batch));
        }
    }
}

//! Streams of record batches, cut into pieces.

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::SchemaRef;

use crate::error::{Error, Origin, Result};
use crate::guard::guarded;

/// Rows of a piece.
const PIECE_ROWS: usize = 1 << 16;

/// A stream, handed out in slices of at most [`PIECE_ROWS`] rows without copying.
pub struct Cursor {
    reader: Box<dyn RecordBatchReader + Send>,
    origin: Origin,
    batch: Option<(RecordBatch, usize)>,
    at: usize,
    first_row: u64,
    ended: bool,
}

/// A piece of a stream.
pub struct Slice {
    /// Its place.
    pub at: usize,
    /// Its rows.
    pub batch: Result<RecordBatch>,
    /// Rows before it.
    pub first_row: u64,
}

impl Iterator for Cursor {
    type Item = Slice;

    fn next(&mut self) -> Option<Slice> {
        if self.ended {
            return None;
        }
        let batch = self.slice().transpose();
        self.ended = !matches!(batch, Some(Ok(_)));
        let batch = batch?;
        let (at, first_row) = (self.at, self.first_row);
        self.at += 1;
        self.first_row += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        Some(Slice { at, batch, first_row })
    }
}

/// All batches of a stream, to be read more than once; `name` is how messages call it.
///
/// # Errors
/// That of the stream; [`Error::Interrupted`] where `tick` says so.
pub fn hold(
    reader: Box<dyn RecordBatchReader + Send>,
    name: &str,
    tick: &mut impl FnMut(u64, Option<u64>) -> bool,
) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let (schema, mut batches) = (reader.schema(), Vec::new());
    for slice in Cursor::new(reader, Origin::named(name)) {
        batches.push(slice.batch?);
        if !tick(0, None) {
            return Err(Error::Interrupted);
        }
    }
    Ok((schema, batches))
}

impl Cursor {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(reader: Box<dyn RecordBatchReader + Send>, origin: Origin) -> Self {
        Self { reader, origin, batch: None, at: 0, first_row: 0, ended: false }
    }

    fn slice(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((batch, start)) = self.batch.take() {
                let rows = PIECE_ROWS.min(batch.num_rows() - start);
                if rows > 0 {
                    let slice = batch.slice(start, rows);
                    self.batch = Some((batch, start + rows));
                    return Ok(Some(slice));
                }
            }
            let (origin, reader) = (&self.origin, &mut self.reader);
            let pulled = guarded(origin, || {
                let batch = reader.next().transpose();
                batch.map_err(|error| origin.error(&format!("the stream ended with an error: {error}")))
            });
            match pulled? {
                Some(batch) => self.batch = Some((batch, 0)),
                None => return Ok(None),
            }
        }
    }
}

//! A column chunk in an encoding or a codec that is left to the parquet crate. It believes what page headers
//! say, so these are checked first, as are the checksums: its pages are read twice.

use std::sync::Arc;

use parquet::column::page::PageReader;
use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::fault::{Checked, Problem, Result, wrong};
use super::page::Pages;
use super::sink::Sink;
use super::value::Value;
use super::window::Input;

/// Bytes that a number takes at most in any encoding, with its level.
const WIDEST: u64 = 16;

/// A chunk as the crate reads it.
pub struct Foreign<T: Value> {
    /// Its pages, before they are checked.
    unchecked: Option<Pages>,
    reader: ColumnReaderImpl<T::Stored>,
    nullable: bool,
    stored: Vec<<T::Stored as DataType>::T>,
    levels: Vec<i16>,
    /// The next row.
    pub row: u64,
}

impl<T: Value> Foreign<T> {
    pub fn new(input: &Input, meta: &ColumnChunkMetaData, rows: u64) -> Checked<Self> {
        let unchecked = Some(Pages::new(input, meta, rows)?);
        let pages = pages(input, meta, rows)?;
        let reader = get_typed_column_reader(get_column_reader(meta.column_descr_ptr(), pages));
        let nullable = meta.column_descr().max_def_level() > 0;
        Ok(Self { unchecked, reader, nullable, stored: Vec::new(), levels: Vec::new(), row: 0 })
    }

    /// Take the next `count` values of the chunk.
    pub fn take(&mut self, input: &mut Input, count: usize, sink: &mut impl Sink<T>) -> Checked<()> {
        if let Some(pages) = self.unchecked.take() {
            check(pages, input)?;
        }
        self.stored.clear();
        self.levels.clear();
        let mut done = 0;
        while done < count {
            let levels = self.nullable.then_some(&mut self.levels);
            let (rows, _, _) = self.reader.read_records(count - done, levels, None, &mut self.stored)?;
            if rows == 0 {
                return wrong("fewer values than the row group has rows");
            }
            done += rows;
        }
        if let Some(at) = self.levels.iter().position(|&level| level == 0) {
            return Err(Problem::Null(self.row + at as u64));
        }
        if self.stored.len() != count {
            return wrong("another number of values than rows");
        }
        self.row += count as u64;
        sink.slice(count, |out| {
            for (out, stored) in out.iter_mut().zip(&self.stored) {
                let Some(value) = T::from_stored(stored) else { return wrong("a value is out of range") };
                *out = value;
            }
            Ok(())
        })
    }
}

/// Go through the pages of columns without decoding them, before the crate's readers do as their headers say.
///
/// # Errors
/// [`Fault`](super::Fault), where a header cannot be or a checksum is wrong.
pub fn check_columns(input: &mut Input, group: &RowGroupMetaData, names: &[&'static str]) -> Result<()> {
    for column in names.iter().copied() {
        let chunks = group.columns().iter().filter(|chunk| chunk.column_path().parts() == [column]);
        for meta in chunks {
            let checked = Pages::new(input, meta, group.num_rows().unsigned_abs());
            checked.and_then(|pages| check(pages, input)).map_err(|problem| problem.of(column, 0))?;
        }
    }
    Ok(())
}

/// Go through the pages of a chunk without decoding them.
fn check(mut pages: Pages, input: &mut Input) -> Checked<()> {
    while let Some(header) = pages.next(input)? {
        pages.check_length(&header, WIDEST)?;
    }
    Ok(())
}

fn pages(input: &Input, meta: &ColumnChunkMetaData, rows: u64) -> Checked<Box<dyn PageReader>> {
    let Ok(rows) = usize::try_from(rows) else {
        return wrong("more rows than can be counted");
    };
    Ok(match input {
        Input::File(file) => {
            Box::new(SerializedPageReader::new(Arc::new(file.try_clone()?), meta, rows, None)?)
        }
        Input::Memory(bytes) => {
            Box::new(SerializedPageReader::new(Arc::new(bytes.clone()), meta, rows, None)?)
        }
    })
}

impl From<ParquetError> for Problem {
    fn from(error: ParquetError) -> Self {
        Self::Bytes(error.to_string())
    }
}

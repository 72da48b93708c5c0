//! Footers: what they say must be possible, and which columns are to be read.

use std::sync::Arc;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::reader::ChunkReader;
use parquet::file::statistics::Statistics;

use crate::columns::Table;
use crate::error::{Origin, Result};
use crate::guard::damaged;
use crate::pages::chunk_start;
use crate::parts::Parts;
use crate::thrift::{self, INT, Input, LIST, LONG, STRUCT, Short};

/// Read a footer. Its bytes are doubted first: the crate takes memory for as many row groups and columns as they claim.
///
/// # Errors
/// [`ParquetError`].
pub fn load(file: &impl ChunkReader) -> std::result::Result<ArrowReaderMetadata, ParquetError> {
    let tail = file.len().checked_sub(8).map(|start| file.get_bytes(start, 8)).transpose()?;
    let length = match tail.as_deref().and_then(<[u8]>::split_first_chunk) {
        Some((length, b"PAR1")) => u32::from_le_bytes(*length),
        _ => return Err(ParquetError::General("it does not end in PAR1".into())),
    };
    let Some(start) = (file.len() - 8).checked_sub(length.into()) else {
        return Err(ParquetError::General("its footer is longer than the file".into()));
    };
    let bytes = file.get_bytes(start, length as usize)?;
    check_bytes(&bytes)
        .map_err(|problem| ParquetError::General(format!("its footer is no footer: {problem:?}")))?;
    let metadata = ParquetMetaDataReader::decode_metadata(&bytes)?;
    ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new())
}

/// Whether a footer is Thrift whose lists are as long as they claim.
fn check_bytes(footer: &[u8]) -> thrift::Result<()> {
    Input::new(footer).fields(0, |input, id, kind| match (id, kind) {
        (2, LIST) => check_schema(input).map(|()| true),
        (1, INT) | (3, LONG) | (4 | 5 | 7, LIST) => Ok(false),
        (1..=5 | 7, _) => Err(Short::Wrong("a field of another kind")),
        _ => Ok(false),
    })
}

/// No element of a schema has more children than there are elements.
fn check_schema(input: &mut Input) -> thrift::Result<()> {
    let (kind, elements) = input.list()?;
    if kind != STRUCT {
        return Err(Short::Wrong("a schema of something else"));
    }
    (0..elements).try_for_each(|_| {
        input.fields(2, |input, id, kind| match (id, kind) {
            (5, INT) if usize::try_from(input.int()?).is_ok_and(|children| children < elements) => Ok(true),
            (5, _) => Err(Short::Wrong("more children than elements")),
            _ => Ok(false),
        })
    })
}

/// The columns to decode: those that the parts need, and those in which a null may stand that does not belong there.
#[must_use]
pub fn wanted(footer: &ArrowReaderMetadata, table: Table, parts: Parts) -> Vec<&'static str> {
    let there = |name: &str| footer.schema().fields().iter().any(|field| field.name() == name);
    let columns = table.columns().iter().filter(|column| there(column.name));
    let wanted = columns.filter(|column| {
        table.needs(column.name, parts) || !column.nullable && may_hold_nulls(footer, column.name)
    });
    wanted.map(|column| column.name).collect()
}

fn may_hold_nulls(footer: &ArrowReaderMetadata, column: &str) -> bool {
    footer.metadata().row_groups().iter().any(|group| {
        let chunks = group.columns().iter().filter(|chunk| chunk.column_path().parts() == [column]);
        chunks.into_iter().any(|chunk| {
            let nulls = chunk.statistics().and_then(Statistics::null_count_opt);
            chunk.column_descr().max_def_level() > 0 && nulls != Some(0)
        })
    })
}

/// What a footer says must be possible: it has no checksum of its own.
///
/// # Errors
/// [`crate::error::Error::Data`] where it is not.
pub fn check_footer(footer: &ArrowReaderMetadata, file_length: u64, origin: &Origin) -> Result<()> {
    let metadata = footer.metadata();
    let (mut rows, mut last_end) = (0_i64, 0_i64);
    for (at, group) in metadata.row_groups().iter().enumerate() {
        let lie = |what: &str| Err(damaged(origin, &format!("row group {at}: {what}")));
        let Some(sum) = rows.checked_add(group.num_rows()).filter(|_| group.num_rows() >= 0) else {
            return lie("an impossible number of rows");
        };
        rows = sum;
        if group.num_columns() != footer.parquet_schema().num_columns() {
            return lie("another number of columns than the schema has");
        }
        if group.num_rows() == 0 {
            // Some writers leave the offsets of what is not there at 0.
            continue;
        }
        for chunk in group.columns() {
            let column = chunk.column_path();
            let start = chunk_start(chunk);
            let end = start.checked_add(chunk.compressed_size());
            let inside = start >= 0
                && chunk.compressed_size() >= 0
                && end.is_some_and(|end| end.unsigned_abs() <= file_length);
            if !inside {
                return lie(&format!("column {column} lies outside the file"));
            }
            // No writer does otherwise, and checksums cannot tell a page from that of another column.
            if start < last_end {
                return lie(&format!("column {column} begins before the one before it ends"));
            }
            last_end = start + chunk.compressed_size();
            let flat = chunk.column_descr().max_rep_level() == 0;
            if flat && chunk.num_values() != group.num_rows() {
                return lie(&format!(
                    "column {column} has another number of values than the row group has rows"
                ));
            }
        }
    }
    if rows != metadata.file_metadata().num_rows() {
        return Err(damaged(origin, &"the row groups have another number of rows than the file"));
    }
    Ok(())
}

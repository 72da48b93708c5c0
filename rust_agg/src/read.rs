//! Parquet shards: footers checked, row groups decoded, damage turned into errors.

use std::any::Any;
use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use crate::columns::{Table, check_schema};
use crate::error::{Error, Result};

/// Rows decoded and folded at a time.
pub const BATCH_ROWS: usize = 1 << 15;

/// A Parquet file whose footer has been read and checked.
#[derive(Clone, Debug)]
pub struct Shard {
    path: PathBuf,
    table: Table,
    footer: ArrowReaderMetadata,
    projection: ProjectionMask,
}

impl Shard {
    /// Read the footer of a file and check that it describes this table and itself.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be opened, [`Error::Data`] where it is damaged or of another schema.
    pub fn open(path: &Path, table: Table) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        let meta = file.metadata().map_err(|error| Error::io(path, error))?;
        if meta.is_dir() {
            return Err(Error::io(path, std::io::ErrorKind::IsADirectory.into()));
        }
        let name = path.display().to_string();
        guarded(&name, || {
            let footer = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
                .map_err(|error| damaged(&name, &error))?;
            check_schema(footer.schema(), table.columns(), &name)?;
            check_footer(&footer, meta.len(), &name)?;
            let wanted = table.columns();
            let roots = footer.schema().fields().iter().enumerate();
            let roots = roots.filter(|(_, field)| wanted.iter().any(|column| column.name == field.name()));
            let projection = ProjectionMask::roots(footer.parquet_schema(), roots.map(|(at, _)| at));
            Ok(Self { path: path.to_path_buf(), table, footer, projection })
        })
    }

    /// The kind of table it holds.
    #[must_use]
    pub fn table(&self) -> Table {
        self.table
    }

    /// How messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Rows in each row group.
    pub fn row_groups(&self) -> impl Iterator<Item = u64> + '_ {
        self.footer.metadata().row_groups().iter().map(|group| group.num_rows().unsigned_abs())
    }

    /// Decode a row group, batch by batch; `each` gets a batch and the number of rows of the row group before it, and
    /// says whether to go on. Nothing panics: damage that makes the decoder panic is an error like any other.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Data`] for damage, and whatever `each` returns.
    pub fn read(
        &self,
        row_group: usize,
        mut each: impl FnMut(&RecordBatch, u64) -> Result<bool>,
    ) -> Result<()> {
        let file = File::open(&self.path).map_err(|error| Error::io(&self.path, error))?;
        let name = format!("{}: row group {row_group}", self.path.display());
        guarded(&name, || {
            let mut rows = 0;
            for batch in self.reader(file, row_group).map_err(|error| damaged(&name, &error))? {
                let batch = batch.map_err(|error| damaged(&name, &error))?;
                if !each(&batch, rows)? {
                    return Ok(());
                }
                rows += batch.num_rows() as u64;
            }
            let promised = self.row_groups().nth(row_group).unwrap_or(0);
            if rows != promised {
                return Err(damaged(&name, &format!("{rows} rows, where the footer promises {promised}")));
            }
            Ok(())
        })
    }

    fn reader(
        &self,
        file: File,
        row_group: usize,
    ) -> std::result::Result<ParquetRecordBatchReader, ParquetError> {
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.footer.clone())
            .with_row_groups(vec![row_group])
            .with_projection(self.projection.clone())
            .with_batch_size(BATCH_ROWS)
            .build()
    }
}

/// What a footer says must be possible: it has no checksum of its own.
fn check_footer(footer: &ArrowReaderMetadata, file_length: u64, name: &str) -> Result<()> {
    let metadata = footer.metadata();
    let mut rows = 0_i64;
    for (at, group) in metadata.row_groups().iter().enumerate() {
        let lie = |what: &str| Err(damaged(name, &format!("row group {at}: {what}")));
        let Some(sum) = rows.checked_add(group.num_rows()).filter(|_| group.num_rows() >= 0) else {
            return lie("an impossible number of rows");
        };
        rows = sum;
        if group.num_columns() != footer.parquet_schema().num_columns() {
            return lie("another number of columns than the schema has");
        }
        for chunk in group.columns() {
            let column = chunk.column_path();
            let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
            let end = start.checked_add(chunk.compressed_size());
            let inside = start >= 0
                && chunk.compressed_size() >= 0
                && end.is_some_and(|end| end.unsigned_abs() <= file_length);
            if !inside {
                return lie(&format!("column {column} lies outside the file"));
            }
            let flat = chunk.column_descr().max_rep_level() == 0;
            if flat && chunk.num_values() != group.num_rows() {
                return lie(&format!(
                    "column {column} has another number of values than the row group has rows"
                ));
            }
        }
    }
    if rows != metadata.file_metadata().num_rows() {
        return Err(damaged(name, &"the row groups have another number of rows than the file"));
    }
    Ok(())
}

/// The error for a file that cannot be read as what it should be.
pub fn damaged(name: &str, what: &impl std::fmt::Display) -> Error {
    Error::Data(format!("{name}: damaged, or not a Parquet file ({what})"))
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}
static SILENCE: Once = Once::new();

/// Run `work`; a panic inside is an error that names `name`, and prints nothing.
///
/// # Errors
/// Whatever `work` returns, or [`Error::Data`] where it panics.
pub fn guarded<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    SILENCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                loud(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    result.unwrap_or_else(|panic| Err(Error::Data(format!("{name}: damaged ({})", panic_text(&*panic)))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the decoder gave up").to_string()
}

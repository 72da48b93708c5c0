//! Parquet shards: footers checked, row groups decoded, damage turned into errors.

use std::fs::File;
use std::path::PathBuf;

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::reader::ChunkReader;

use crate::buffer::Buffer;
use crate::columns::Table;
use crate::error::{Error, Origin, Result};
use crate::footer::{self, check_footer, wanted};
use crate::guard::{damaged, guarded};
use crate::pages::{self, Block, Input, RowGroup, Rows};
use crate::parts::Parts;
use crate::shard_file::ShardFile;

/// Rows decoded and folded at a time.
pub const BATCH_ROWS: usize = 1 << 13;

/// A Parquet file whose footer has been read and checked.
#[derive(Clone, Debug)]
pub struct Shard {
    path: PathBuf,
    footer: ArrowReaderMetadata,
    wanted: Vec<&'static str>,
    /// All its bytes, if it was loaded.
    bytes: Option<Bytes>,
}

impl Shard {
    /// Check length and digest of a file, read its footer, and check that this describes the table and itself.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be opened, [`Error::Data`] where it is damaged or of another schema,
    /// [`Error::Interrupted`] where `go_on` says so.
    pub fn open(file: &ShardFile, table: Table, parts: Parts, go_on: &dyn Fn() -> bool) -> Result<Self> {
        let (mut opened, length) = file.open()?;
        match file.verify(&mut opened, go_on) {
            Ok(()) => Self::parse(file, table, parts, &opened, length, None),
            Err(error) => Err(Self::located(error, file, table, go_on)),
        }
    }

    /// The same for a file that is read once, into `buffer`: what was hashed is what is decoded.
    ///
    /// # Errors
    /// Those of [`Shard::open`].
    pub fn load(
        file: &ShardFile,
        table: Table,
        parts: Parts,
        go_on: &dyn Fn() -> bool,
        buffer: &mut Buffer,
    ) -> Result<Self> {
        let (mut opened, length) = file.open()?;
        match file.load(&mut opened, length, buffer, go_on) {
            Ok(bytes) => Self::parse(file, table, parts, &bytes, length, Some(bytes.clone())),
            Err(error) => Err(Self::located(error, file, table, go_on)),
        }
    }

    /// Say of a file that has another digest also where it is damaged, as far as the checksums of its pages tell.
    fn located(error: Error, file: &ShardFile, table: Table, go_on: &dyn Fn() -> bool) -> Error {
        let Error::Data { sentence, place } = error else { return error };
        let loose = ShardFile { known: None, ..file.clone() };
        let damage = match Self::open(&loose, table, Parts::all(), go_on) {
            Ok(mut shard) => {
                shard.wanted = table.columns().iter().map(|column| column.name).collect();
                (0..shard.row_groups().count()).find_map(|row_group| shard.damage(table, row_group, go_on))
            }
            Err(error) => Some(error),
        };
        let name = format!("{}: ", file.path.display());
        match damage {
            Some(Error::Data { sentence: found, place }) => {
                let found = found.strip_prefix(&name).unwrap_or(&found);
                Error::Data { sentence: format!("{sentence}: {found}"), place }
            }
            _ => Error::Data { sentence, place },
        }
    }

    fn damage(&self, table: Table, row_group: usize, go_on: &dyn Fn() -> bool) -> Option<Error> {
        match table {
            Table::Traces => self.read_blocks(row_group, &mut Block::default(), |_, _| Ok(go_on())).err(),
            Table::Rounds | Table::Paths | Table::Tails => {
                self.read_batches(row_group, |_, _, _| Ok(go_on())).err()
            }
        }
    }

    fn parse(
        file: &ShardFile,
        table: Table,
        parts: Parts,
        reader: &impl ChunkReader,
        length: u64,
        bytes: Option<Bytes>,
    ) -> Result<Self> {
        let origin = Origin::file(&file.path);
        guarded(&origin, || {
            let footer = footer::load(reader).map_err(|error| damaged(&origin, &error))?;
            table.check_schema(footer.schema(), parts, &origin)?;
            check_footer(&footer, length, &origin)?;
            let wanted = wanted(&footer, table, parts);
            let shard = Self { path: file.path.clone(), footer, wanted, bytes };
            let rows = shard.row_groups().sum::<u64>();
            match file.known {
                Some(known) if known.rows != rows => {
                    Err(origin.error(&format!("has {rows} rows, wanted {}", known.rows)))
                }
                _ => Ok(shard),
            }
        })
    }

    /// Rows in each row group.
    pub fn row_groups(&self) -> impl Iterator<Item = u64> + '_ {
        self.footer.metadata().row_groups().iter().map(|group| group.num_rows().unsigned_abs())
    }

    /// Decode a row group of traces, block by block; `each` gets a block, its origin and the number of rows of the row
    /// group before it, and says whether to go on. Nothing panics: damage that makes a decoder panic is an error like
    /// any other. False where a null stands in it that does not belong there: reading it as batches names it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Data`] for damage, and whatever `each` returns.
    pub fn read_blocks(
        &self,
        row_group: usize,
        block: &mut Block,
        mut each: impl FnMut(&Block, &Origin) -> Result<bool>,
    ) -> Result<bool> {
        let origin = self.origin(row_group);
        guarded(&origin, || {
            let group = self.footer.metadata().row_group(row_group);
            if group.num_rows() == 0 {
                return Ok(true);
            }
            let mut group = match RowGroup::open(self.input()?, group, Block::named(&self.wanted)) {
                Ok(group) => group,
                Err(fault) => return self.failed(row_group, fault).map(|()| false),
            };
            loop {
                match group.next_block(block, BATCH_ROWS) {
                    Ok(true) if each(block, &origin)? => {}
                    Ok(_) => return Ok(true),
                    Err(fault) => return self.failed(row_group, fault).map(|()| false),
                }
            }
        })
    }

    /// Begin to decode a row group, block by block, at the caller's pace.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Data`] for damage.
    pub fn blocks<B: Rows>(&self, row_group: usize) -> Result<Blocks<'_, B>> {
        let group = self.footer.metadata().row_group(row_group);
        let mut blocks = Blocks { shard: self, row_group, reader: None };
        if group.num_rows() > 0 {
            let opened = guarded(&self.origin(row_group), || {
                Ok(RowGroup::open(self.input()?, group, B::named(&self.wanted)))
            });
            let opened = opened?.map_err(|fault| blocks.error(fault))?;
            blocks.reader = Some(opened);
        }
        Ok(blocks)
    }

    /// The same file, of which only these columns are decoded.
    #[must_use]
    pub fn only(&self, columns: &[&str]) -> Self {
        let mut shard = self.clone();
        shard.wanted.retain(|name| columns.contains(name));
        shard
    }

    /// Decode a row group, batch by batch; `each` gets a batch, its origin and the number of rows of the row group
    /// before it, and says whether to go on.
    ///
    /// # Errors
    /// Those of [`Shard::read_blocks`].
    pub fn read_batches(
        &self,
        row_group: usize,
        mut each: impl FnMut(&RecordBatch, &Origin, u64) -> Result<bool>,
    ) -> Result<()> {
        let origin = self.origin(row_group);
        guarded(&origin, || {
            let group = self.footer.metadata().row_group(row_group);
            if group.num_rows() == 0 {
                return Ok(());
            }
            if let Err(fault) = pages::check_columns(&mut self.input()?, group, &self.wanted) {
                return self.failed(row_group, fault);
            }
            let mut rows = 0;
            for batch in self.batches(row_group, &origin)? {
                let batch = batch.map_err(|error| damaged(&origin, &error))?;
                if !each(&batch, &origin, rows)? {
                    return Ok(());
                }
                rows += batch.num_rows() as u64;
            }
            let promised = self.row_groups().nth(row_group).unwrap_or(0);
            if rows != promised {
                return Err(damaged(&origin, &format!("{rows} rows, where the footer promises {promised}")));
            }
            Ok(())
        })
    }

    /// The error for a fault; none for a null, which is named by who reads batches.
    fn failed(&self, row_group: usize, fault: pages::Fault) -> Result<()> {
        match fault {
            pages::Fault::Io(error) => Err(Error::io(&self.path, error)),
            pages::Fault::Damaged { column, row, problem } => {
                let found = format!("column {column}, at row {row} of the row group: {problem}");
                let what = format!("damaged, or not a Parquet file ({found})");
                Err(self.origin(row_group).error_in(column, &what))
            }
            pages::Fault::Null { .. } => Ok(()),
        }
    }

    fn input(&self) -> Result<Input> {
        Ok(match &self.bytes {
            Some(bytes) => Input::Memory(bytes.clone()),
            None => Input::File(self.file()?),
        })
    }

    fn batches(&self, row_group: usize, origin: &Origin) -> Result<ParquetRecordBatchReader> {
        match &self.bytes {
            Some(bytes) => self.reader(bytes.clone(), row_group, origin),
            None => self.reader(self.file()?, row_group, origin),
        }
    }

    fn reader(
        &self,
        input: impl ChunkReader + 'static,
        row_group: usize,
        origin: &Origin,
    ) -> Result<ParquetRecordBatchReader> {
        let fields = self.footer.schema().fields().iter().enumerate();
        let roots = fields.filter(|(_, field)| self.wanted.contains(&field.name().as_str()));
        let projection = ProjectionMask::roots(self.footer.parquet_schema(), roots.map(|(at, _)| at));
        ParquetRecordBatchReaderBuilder::new_with_metadata(input, self.footer.clone())
            .with_row_groups(vec![row_group])
            .with_projection(projection)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| damaged(origin, &error))
    }

    /// The error that `what` is wrong with a row group.
    #[must_use]
    pub fn error(&self, row_group: usize, what: &impl std::fmt::Display) -> Error {
        self.origin(row_group).error(what)
    }

    fn origin(&self, row_group: usize) -> Origin {
        Origin { row_group: Some(row_group), ..Origin::file(&self.path) }
    }

    /// The file itself, in the words of messages; with the row group in which a row stands, if one is given.
    #[must_use]
    pub fn origin_of(&self, row: Option<u64>) -> Origin {
        let mut end = 0;
        let holds = |row: u64| {
            self.row_groups().position(|rows| {
                end += rows;
                row < end
            })
        };
        Origin { row_group: row.and_then(holds), ..Origin::file(&self.path) }
    }

    fn file(&self) -> Result<File> {
        File::open(&self.path).map_err(|error| Error::io(&self.path, error))
    }
}

/// A row group that is decoded block by block.
pub struct Blocks<'a, B: Rows> {
    shard: &'a Shard,
    row_group: usize,
    /// None where it has no rows.
    reader: Option<RowGroup<B>>,
}

/// Why the next block was not had.
pub enum Stop {
    /// A null that does not belong there, in this column and row of the row group.
    Null(&'static str, u64),
    /// Anything else.
    Error(Error),
}

impl<B: Rows> Blocks<'_, B> {
    /// Decode the next rows, at most `max_rows` of them; false at the end.
    ///
    /// # Errors
    /// [`Stop`]; nothing more can be read then.
    pub fn next(&mut self, block: &mut B, max_rows: usize) -> std::result::Result<bool, Stop> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        let origin = self.shard.origin(self.row_group);
        let next = guarded(&origin, || Ok(reader.next_block(block, max_rows)));
        match next.map_err(Stop::Error)? {
            Ok(more) => Ok(more),
            Err(pages::Fault::Null { column, row }) => Err(Stop::Null(column, row)),
            Err(fault) => Err(Stop::Error(self.error(fault))),
        }
    }

    fn error(&self, fault: pages::Fault) -> Error {
        match self.shard.failed(self.row_group, fault) {
            Err(error) => error,
            Ok(()) => self.shard.error(self.row_group, &"a null where none may stand"),
        }
    }
}

//! A column of a row group, whoever decodes it.

use parquet::data_type::DataType;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::chunk::Chunk;
use super::fault::{Checked, Result, wrong};
use super::foreign::Foreign;
use super::runs::Runs;
use super::sink::{Dense, Merged, Sink};
use super::value::Value;
use super::window::Input;

/// A column and how far it is decoded.
pub struct Column<T: Value> {
    name: &'static str,
    reader: Reader<T>,
    scratch: Vec<T>,
}

enum Reader<T: Value> {
    Own(Box<Chunk<T>>),
    Foreign(Box<Foreign<T>>),
}

impl<T: Value> Column<T> {
    pub fn new(input: &Input, group: &RowGroupMetaData, name: &'static str) -> Result<Self> {
        let reader = Reader::new(input, group, name).map_err(|problem| problem.of(name, 0))?;
        Ok(Self { name, reader, scratch: Vec::new() })
    }

    /// Decode the next rows, value by value.
    pub fn dense(&mut self, input: &mut Input, rows: usize, out: &mut Vec<T>) -> Result<()> {
        out.resize(rows, T::default());
        let taken = self.reader.take(input, rows, &mut Dense::new(out));
        taken.map_err(|problem| problem.of(self.name, self.reader.row()))
    }

    /// Decode the next rows as runs.
    pub fn runs(&mut self, input: &mut Input, rows: usize, runs: &mut Runs<T>) -> Result<()> {
        runs.clear();
        let taken = self.reader.take(input, rows, &mut Merged::new(runs, &mut self.scratch));
        taken.map_err(|problem| problem.of(self.name, self.reader.row()))
    }
}

impl<T: Value> Reader<T> {
    fn new(input: &Input, group: &RowGroupMetaData, name: &str) -> Checked<Self> {
        let named = |chunk: &&ColumnChunkMetaData| chunk.column_path().parts() == [name];
        let mut found = group.columns().iter().filter(named);
        let (Some(meta), None) = (found.next(), found.next()) else {
            return wrong("is missing, or stands there twice");
        };
        let column = meta.column_descr();
        if column.max_rep_level() > 0 || column.max_def_level() > 1 {
            return wrong("is nested");
        }
        if meta.column_type() != T::Stored::get_physical_type() {
            return wrong(format!("is stored as {}", meta.column_type()));
        }
        let rows = group.num_rows().unsigned_abs();
        Ok(match Chunk::new(input, meta, rows)? {
            Some(chunk) => Self::Own(Box::new(chunk)),
            None => Self::Foreign(Box::new(Foreign::new(input, meta, rows)?)),
        })
    }

    /// The row that was next when a fault was found.
    fn row(&self) -> u64 {
        match self {
            Self::Own(chunk) => chunk.row,
            Self::Foreign(chunk) => chunk.row,
        }
    }

    fn take(&mut self, input: &mut Input, rows: usize, sink: &mut impl Sink<T>) -> Checked<()> {
        match self {
            Self::Own(chunk) => chunk.take(input, rows, sink),
            Self::Foreign(chunk) => chunk.take(input, rows, sink),
        }
    }
}

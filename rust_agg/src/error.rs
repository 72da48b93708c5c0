//! The one error type of the crate.

use std::io;
use std::path::{Path, PathBuf};

/// Everything that can go wrong, each with a sentence that names what was found and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument that cannot be used: edges that do not rise, no threads.
    #[error("{0}")]
    Argument(String),
    /// Data that break the contract: a missing column, a null, an impossible probability, a damaged file.
    #[error("{sentence}")]
    Data {
        /// What is wrong, with all of `place` in it.
        sentence: String,
        /// Where, as far as it is known.
        place: Box<Place>,
    },
    /// States that do not belong together, or a saved state that cannot be read.
    #[error("{0}")]
    State(String),
    /// The operating system refused a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file it refused.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The system gives no more threads: processes or address space are limited.
    #[error("{threads} threads cannot be started: {source}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What it said.
        source: io::Error,
    },
    /// The caller asked to stop (Ctrl-C, or a progress callback that raised).
    #[error("interrupted")]
    Interrupted,
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Where in the input something is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file; none for a stream or a table of groups.
    pub file: Option<PathBuf>,
    /// The row group of the file, counted from 0.
    pub row_group: Option<usize>,
    /// The row of the file or stream, counted from 0.
    pub row: Option<u64>,
    /// The column.
    pub column: Option<String>,
}

/// What is read: a file, or something else that has a name.
#[derive(Clone, Debug)]
pub struct Origin {
    /// How messages call it.
    pub name: String,
    /// Its file, if it is one.
    pub file: Option<PathBuf>,
    /// Which row group of the file.
    pub row_group: Option<usize>,
}

impl Origin {
    /// Something that is no file.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_string(), file: None, row_group: None }
    }

    /// A file.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self { name: path.display().to_string(), file: Some(path.to_path_buf()), row_group: None }
    }

    /// The error that `what` is wrong with it.
    #[must_use]
    pub fn error(&self, what: &impl std::fmt::Display) -> Error {
        self.data(&self.within(what), None, None)
    }

    /// The same with the column in which it was found.
    #[must_use]
    pub fn error_in(&self, column: &str, what: &impl std::fmt::Display) -> Error {
        self.data(&self.within(what), None, Some(column))
    }

    /// The error that `what` is wrong with a column.
    #[must_use]
    pub fn column_error(&self, column: &str, what: &impl std::fmt::Display) -> Error {
        self.data(&format!("column {column} {what}"), None, Some(column))
    }

    /// The error for a fault in columns that begin at row `first_row`.
    #[must_use]
    pub fn fault_error(&self, fault: &Fault, first_row: u64) -> Error {
        let (row, column) = (first_row + fault.row as u64, fault.column);
        let what = format!("row {row} (counted from 0), column {column}: {}", fault.problem);
        self.data(&what, Some(row), Some(column))
    }

    fn within(&self, what: &impl std::fmt::Display) -> String {
        match self.row_group {
            Some(at) => format!("row group {at}: {what}"),
            None => what.to_string(),
        }
    }

    fn data(&self, what: &str, row: Option<u64>, column: Option<&str>) -> Error {
        let (file, column) = (self.file.clone(), column.map(str::to_string));
        let place = Box::new(Place { file, row_group: self.row_group, row, column });
        Error::Data { sentence: format!("{}: {what}", self.name), place }
    }
}

impl Error {
    /// An [`Error::Data`] whose place is nowhere in particular.
    #[must_use]
    pub fn data(sentence: impl Into<String>) -> Self {
        Self::Data { sentence: sentence.into(), place: Box::default() }
    }

    /// An [`Error::Io`] for `path`.
    #[must_use]
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }
}

/// What is wrong with one row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The row, counted from 0 within the columns that were looked at.
    pub row: usize,
    /// The column.
    pub column: &'static str,
    /// What stands there, as the end of a sentence.
    pub problem: String,
}

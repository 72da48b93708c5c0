//! What can be wrong with a column.

use std::io;

/// Why a row group could not be read.
#[derive(Debug)]
pub enum Fault {
    /// The file could not be read.
    Io(io::Error),
    /// The bytes cannot be what they should be.
    Damaged {
        /// Its column.
        column: &'static str,
        /// The row of the row group that was next.
        row: u64,
        /// What is wrong.
        problem: String,
    },
    /// A null, where none may stand.
    Null {
        /// Its column.
        column: &'static str,
        /// Its row in the row group.
        row: u64,
    },
}

/// A result of this module.
pub type Result<T> = std::result::Result<T, Fault>;

/// A fault of a column that does not yet say which column it is.
#[derive(Debug)]
pub enum Problem {
    /// The file could not be read.
    Io(io::Error),
    /// A null, counted from where the one who returns it counts.
    Null(u64),
    /// Bytes that cannot be.
    Bytes(String),
}

/// A result before its column is known.
pub type Checked<T> = std::result::Result<T, Problem>;

/// The problem that bytes cannot be what they should be.
#[cold]
pub fn wrong<T>(problem: impl Into<String>) -> Checked<T> {
    Err(Problem::Bytes(problem.into()))
}

impl Problem {
    /// The fault of a column that had come to `row`; a null is counted from the first row of the row group by
    /// now.
    pub fn of(self, column: &'static str, row: u64) -> Fault {
        match self {
            Self::Io(error) => Fault::Io(error),
            Self::Null(row) => Fault::Null { column, row },
            Self::Bytes(problem) => Fault::Damaged { column, row, problem },
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

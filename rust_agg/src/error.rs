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
    #[error("{0}")]
    Data(String),
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
    /// The caller asked to stop (Ctrl-C, or a progress callback that raised).
    #[error("interrupted")]
    Interrupted,
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
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

impl Fault {
    /// The error for this fault, where the columns begin at row `first_row` of `source`.
    #[must_use]
    pub fn into_error(self, source: &str, first_row: u64) -> Error {
        let row = first_row + self.row as u64;
        Error::Data(format!("{source}: row {row} (counted from 0), column {}: {}", self.column, self.problem))
    }
}

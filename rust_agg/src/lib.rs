//! Folds token records of speculative decoding by group, exact to the bit.
//!
//! `python/` is the surface for Python: signatures and error mapping. All else is plain Rust and knows no Python. What
//! Python users read stands in `__init__.pyi`.

pub mod bins;
pub mod buffer;
pub mod by_prompt;
pub mod cells;
pub mod chunk;
pub mod columns;
pub mod counter;
pub mod error;
pub mod feed;
pub mod footer;
pub mod grid;
pub mod groups;
pub mod guard;
pub mod histogram;
pub mod log_edges;
pub mod pages;
pub mod parts;
pub mod plan;
mod python;
pub mod read;
pub mod replay;
pub mod rows;
pub mod rules;
pub mod run;
pub mod runs;
pub mod save;
pub mod shard_file;
pub mod shelf;
pub mod sorted;
pub mod state;
pub mod stream;
pub mod sums;
pub mod tables;
pub mod thrift;
pub mod token_counts;
pub mod tokens;

use pyo3::prelude::*;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    python::fill(module)
}

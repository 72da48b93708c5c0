//! Parquet pages decoded straight into the buffers of the fold.
//!
//! The parquet crate reads footers; this module reads the pages of flat columns of the types that `traces`,
//! `paths` and `tails` have. It is quicker than the crate's readers because indices are looked up in the type of the fold,
//! repeated values stay runs, bytes in memory are not copied, and buffers are kept. Columns with anything
//! else in them (another encoding or codec) go through the crate's column reader once their pages are checked
//! (`foreign`).
//!
//! The format is that of <https://github.com/apache/parquet-format>: `README.md` (pages, checksums),
//! `parquet.thrift` (headers), `Encodings.md` and `Compression.md`. From the bytes to the fold: `window`
//! reads a column chunk, `header` and `page` cut it into pages and check and decompress them, `chunk`
//! decodes their values (`levels`, `dictionary`, `hybrid`, `packed`, `value`) into a `sink`, and
//! `row_group` does so for all columns.
//!
//! Nothing here trusts a byte. Every length is checked before it is used. What a page takes in memory is
//! bounded, before it is taken, by its compressed length and by its number of values, and that by the rows of
//! its row group. Checksums are compared where there are any; numbers of values and lengths must come out to
//! the last byte in any case.

mod chunk;
mod codec;
mod column;
mod dictionary;
mod fault;
mod foreign;
mod header;
mod hybrid;
mod levels;
mod packed;
mod page;
mod row_group;
mod runs;
mod sink;
mod spare;
mod value;
mod window;

pub use self::fault::{Fault, Result};
pub use self::foreign::check_columns;
pub use self::page::chunk_start;
pub use self::row_group::{Block, PathBlock, RowGroup, Rows, TailBlock, Wanted};
pub use self::runs::Runs;
pub use self::window::Input;

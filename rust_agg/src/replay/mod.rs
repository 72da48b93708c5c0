//! Every schedule from one pass: paths folded under many settings at once, and the records of one.
//!
//! A path holds the text that the target emitted, and at each offset what the draft would have proposed and what would
//! have become of it. A setting (`schedule`) decides where rounds begin and end (`walk`), and so which proposals are
//! judged. `source` (for streams `cuts`) cuts tables into batches of whole `paths`, `drive` checks them and hands them on;
//! `tails` finds where the draft's continuations lie, `tail_reader` reads those of a batch, `tail_rows` holds them.
//!
//! `fold` counts, each thread as a `worker`: `marks` says what each row counts for, `counts` with `tally` and `sums` counts
//! that by setting, `lanes` what is discarded under all settings, `tokens` the part of that name; `flush` gives it to
//! states. `records` writes the rows, `lengths` says which tails are needed, `carry` takes γ from prompt to prompt.

mod carry;
mod counts;
mod cuts;
mod drive;
mod flush;
pub mod fold;
mod lanes;
pub mod lengths;
mod marks;
mod paths;
pub mod records;
pub mod schedule;
mod source;
mod sums;
mod tail_reader;
mod tail_rows;
mod tails;
mod tally;
pub mod task;
mod tokens;
mod walk;
mod worker;

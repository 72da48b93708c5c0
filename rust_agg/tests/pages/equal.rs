//! What is decoded is what the arrow reader decodes; nulls are named.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Float32Array, RecordBatch};
use parquet::basic::Compression;
use proptest::prelude::*;
use rust_agg::pages::Fault;

use crate::cases;
use crate::read::{How, arrow, footer, own};
use crate::table::{NAMES, Shape, shapes, table};
use crate::write::{Options, options, write};

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn decodes_what_the_arrow_reader_decodes(
        options in options(), shape in shapes(0..9000), max_rows in 1_usize..5000, as_file: bool,
    ) {
        let file = write(&table(shape), &options);
        let rows = own(&file, &footer(&file), How { as_file, max_rows }, &NAMES);
        prop_assert_eq!(rows.expect("no fault"), arrow(&file));
    }
}

#[test]
fn columns_that_are_not_wanted_are_left_alone() {
    let file = write(
        &table(Shape { rows: 3000, seed: 5, spread: 90, run: 3, nullable: false }),
        &Options::new(Compression::SNAPPY, true, 1),
    );
    let mut damaged = file.to_vec();
    let groups = footer(&file);
    let (start, length) = groups[0].column(6).byte_range();
    let (start, length) = (start.try_into().expect("small"), usize::try_from(length).expect("small"));
    damaged[start..start + length].fill(0xff);
    let how = How { as_file: false, max_rows: 1000 };
    let two = own(&damaged.into(), &groups, how, &["q", "prompt"]).expect("no fault");
    assert_eq!(two, own(&file, &groups, how, &["q", "prompt"]).expect("no fault"));
}

#[test]
fn a_null_is_named_by_its_column_and_row() {
    let how = How { as_file: false, max_rows: 1000 };
    for (second, dictionary, run) in [(false, false, 1), (false, true, 500), (true, true, 1), (true, true, 9)]
    {
        let options = Options { second, page_rows: 700, ..Options::new(Compression::LZ4_RAW, dictionary, 1) };
        let file = write(&with_null(2345, run), &options);
        let fault = own(&file, &footer(&file), how, &["p", "q"]).expect_err("a null");
        assert!(matches!(fault, Fault::Null { column: "q", row: 2345 }), "{fault:?}");
    }
}

/// A table with a null in column `q`.
fn with_null(row: usize, run: u64) -> RecordBatch {
    let table = table(Shape { rows: 3000, seed: 7, spread: 50, run, nullable: true });
    let q = table["q"].as_primitive::<Float32Type>().iter().enumerate();
    let q: Float32Array = q.map(|(at, value)| value.filter(|_| at != row)).collect();
    let mut columns = table.columns().to_vec();
    columns[7] = Arc::new(q);
    RecordBatch::try_new(table.schema(), columns).expect("columns fit the schema")
}

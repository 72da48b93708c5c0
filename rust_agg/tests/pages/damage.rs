//! Damage without checksums: it may go unseen, but nothing worse. Lies are refused before memory is taken.

use bytes::Bytes;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use proptest::prelude::*;
use rust_agg::pages::Fault;

use crate::cases;
use crate::read::{How, footer, own};
use crate::rewrite::rewrite;
use crate::table::{NAMES, Shape, shapes, table};
use crate::write::{Options, options, write};

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn damage_never_panics(
        options in options(), shape in shapes(1..4000), as_file: bool, in_headers: bool,
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let file = write(&table(shape), &options);
        let whole = rewrite(&file, &footer(&file), |_| ());
        let places: Vec<usize> = if in_headers {
            whole.headers.iter().cloned().flatten().collect()
        } else {
            (0..whole.file.len()).collect()
        };
        let mut damaged = whole.file.to_vec();
        for (at, byte) in hits {
            damaged[*at.get(&places)] ^= byte | 1;
        }
        // The crate's own decoders are not what is tested.
        let how = How { as_file, max_rows: 1000 };
        let _ = own(&damaged.into(), &whole.groups, how, &options.own_columns());
    }

    #[test]
    fn a_file_that_is_cut_off_is_an_error(shape in shapes(0..2000), cut: prop::sample::Index, as_file: bool) {
        let file = write(&table(shape), &Options::new(Compression::LZ4_RAW, true, 1));
        let groups = footer(&file);
        let chunks = groups.iter().flat_map(RowGroupMetaData::columns).map(ColumnChunkMetaData::byte_range);
        let end = chunks.map(|(start, length)| start + length).max().unwrap_or(4);
        let end = usize::try_from(end).expect("a small file");
        let rows = own(&file.slice(..cut.index(end)), &groups, How { as_file, max_rows: 1000 }, &NAMES);
        prop_assert!(rows.is_err() || shape.rows == 0);
    }
}

#[test]
fn a_page_that_claims_two_gigabytes_is_refused_by_what_its_values_can_take() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    for codec in [Compression::UNCOMPRESSED, Compression::LZ4_RAW, Compression::SNAPPY, zstd] {
        for encoding in [0, 1, 2, 3] {
            let options = Options::new(codec, encoding == 3, encoding);
            let file = write(
                &table(Shape { rows: 70_000, seed: 1, spread: 60_000, run: 1, nullable: false }),
                &options,
            );
            let lie = rewrite(&file, &footer(&file), |page| page.uncompressed = 0x7fff_ffff);
            for name in NAMES {
                let how = How { as_file: false, max_rows: 1000 };
                let fault = own(&lie.file, &lie.groups, how, &[name]).expect_err("a lie");
                let Fault::Damaged { row: 0, problem, .. } = fault else { panic!("{fault:?}") };
                assert!(problem.contains("2147483647"), "{problem}");
            }
        }
    }
}

#[test]
fn bytes_that_are_not_there_are_not_waited_for() {
    let file = write(
        &table(Shape { rows: 100, seed: 1, spread: 5, run: 2, nullable: false }),
        &Options::new(Compression::LZ4_RAW, true, 1),
    );
    let how = How { as_file: true, max_rows: 1000 };
    let fault = own(&Bytes::from_static(b"PAR1"), &footer(&file), how, &NAMES).expect_err("nothing there");
    assert!(matches!(&fault, Fault::Damaged { problem, .. } if problem.contains("outside")), "{fault:?}");
}

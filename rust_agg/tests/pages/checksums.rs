//! Pages with checksums: any damage to them is an error, or is no damage.

use bytes::Bytes;
use parquet::basic::{Compression, ZstdLevel};

use crate::read::{How, footer, own};
use crate::rewrite::{Rewritten, add_checksums, rewrite};
use crate::table::{NAMES, Shape, numbers, table};
use crate::write::{Options, write};

/// Damage done to each file; `DAMAGES=100000` looks longer.
fn damages() -> u64 {
    std::env::var("DAMAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

fn check(options: &Options, nullable: bool) {
    let plain = write(&table(Shape { rows: 2500, seed: 3, spread: 30, run: 4, nullable }), options);
    let Rewritten { file, groups, headers } = rewrite(&plain, &footer(&plain), add_checksums);
    let how = How { as_file: false, max_rows: 1000 };
    let wanted = own(&file, &groups, how, &NAMES).expect("no fault");
    assert_eq!(wanted, own(&plain, &footer(&plain), how, &NAMES).expect("no fault"));
    let mut next = numbers(20_261_124);
    let mut below = |most: usize| usize::try_from(next() % most as u64).expect("below most");
    let mut errors = 0;
    for _ in 0..damages() {
        let mut damaged = file.to_vec();
        // Headers have no checksum of their own, so half of all hits are theirs.
        let header = headers[below(headers.len())].clone();
        let at = if below(2) == 0 { header.start + below(header.len()) } else { 4 + below(file.len() - 4) };
        let end = (at + 1 + below(200)).min(file.len());
        match below(6) {
            0..3 => damaged[at] ^= 1 << below(8),
            3 => damaged[at..end].fill(if below(2) == 0 { 0 } else { 0xff }),
            4 => damaged.swap(at, 4 + below(file.len() - 4)),
            _ => drop(damaged.splice(at..at, file[at..end].to_vec())),
        }
        let how = How { as_file: below(8) == 0, ..how };
        match own(&Bytes::from(damaged), &groups, how, &NAMES) {
            Err(_) => errors += 1,
            Ok(rows) => assert!(rows == wanted, "silent damage at {at} ({options:?})"),
        }
    }
    println!("{errors} errors, {} without effect", damages() - errors);
    assert!(errors > damages() * 4 / 5, "headers have few bytes that say nothing: {errors} errors");
}

#[test]
fn damage_to_plain_pages_is_never_silent() {
    check(&Options { page_rows: 512, ..Options::new(Compression::UNCOMPRESSED, false, 0) }, false);
}

#[test]
fn damage_to_split_pages_is_never_silent() {
    check(&Options { page_rows: 700, ..Options::new(Compression::LZ4_RAW, false, 1) }, false);
}

#[test]
fn damage_to_indices_is_never_silent() {
    check(&Options { page_rows: 900, ..Options::new(Compression::UNCOMPRESSED, true, 3) }, true);
}

#[test]
fn damage_to_pages_of_the_second_format_is_never_silent() {
    let options = Options { second: true, page_rows: 300, ..Options::new(Compression::SNAPPY, true, 3) };
    check(&options, true);
    check(&Options { codec: Compression::UNCOMPRESSED, ..options }, true);
}

#[test]
fn damage_to_columns_of_other_encodings_is_never_silent() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    check(&Options { page_rows: 900, group_rows: 1500, ..Options::new(zstd, false, 2) }, false);
}

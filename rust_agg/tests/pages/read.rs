//! All rows of a file, read by the pages and by the arrow reader.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;
use rust_agg::pages::{Block, Fault, Input, RowGroup, Wanted};

/// Rows by column; floats as bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    prompt: Vec<u64>,
    small: [Vec<u16>; 4],
    token: Vec<u32>,
    floats: [Vec<u32>; 4],
    verdict: Vec<u8>,
}

impl Rows {
    fn add(&mut self, block: &Block) {
        self.prompt.extend(block.prompt.dense());
        self.small[0].extend(block.sample.dense());
        for (rows, values) in self.small[1..].iter_mut().zip([&block.round, &block.position, &block.offset]) {
            rows.extend(values);
        }
        self.token.extend(&block.token);
        for (rows, values) in self.floats.iter_mut().zip([&block.p, &block.q, &block.overlap, &block.entropy])
        {
            rows.extend(values.iter().map(|value| value.to_bits()));
        }
        self.verdict.extend(&block.verdict);
    }
}

pub fn footer(file: &Bytes) -> Vec<RowGroupMetaData> {
    let footer = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).expect("a footer");
    footer.metadata().row_groups().to_vec()
}

/// How to read: from a file or from memory, and how many rows at a time.
#[derive(Clone, Copy, Debug)]
pub struct How {
    pub as_file: bool,
    pub max_rows: usize,
}

pub fn own(file: &Bytes, groups: &[RowGroupMetaData], how: How, wanted: &[&str]) -> Result<Rows, Fault> {
    let path = how.as_file.then(|| temporary(file));
    let rows = groups.iter().try_fold(Rows::default(), |mut rows, group| {
        let input = match &path {
            Some(path) => Input::File(std::fs::File::open(path).map_err(Fault::Io)?),
            None => Input::Memory(file.clone()),
        };
        let mut group = RowGroup::open(input, group, Wanted::named(wanted))?;
        let mut block = Block::default();
        while group.next_block(&mut block, how.max_rows)? {
            rows.add(&block);
        }
        Ok(rows)
    });
    if let Some(path) = path {
        std::fs::remove_file(path).expect("removed");
    }
    rows
}

fn temporary(bytes: &[u8]) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("pages-{}-{number}.parquet", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path).expect("a file");
    file.write_all(bytes).expect("written");
    path
}

pub fn arrow(file: &Bytes) -> Rows {
    let mut rows = Rows::default();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).expect("a footer");
    for batch in reader.build().expect("a reader") {
        let batch = batch.expect("a batch");
        let small = |name: &str| batch[name].as_primitive::<UInt16Type>().values().to_vec();
        let bits =
            |name: &str| batch[name].as_primitive::<Float32Type>().values().iter().map(|v| v.to_bits());
        rows.prompt.extend(batch["prompt"].as_primitive::<UInt64Type>().values());
        for (rows, name) in rows.small.iter_mut().zip(["sample", "round", "position", "offset"]) {
            rows.extend(small(name));
        }
        rows.token.extend(batch["token"].as_primitive::<UInt32Type>().values());
        for (rows, name) in rows.floats.iter_mut().zip(crate::table::FLOATS) {
            rows.extend(bits(name));
        }
        rows.verdict.extend(batch["verdict"].as_primitive::<UInt8Type>().values());
    }
    rows
}

//! Files as arrow-rs writes them, over its options.

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use proptest::prelude::*;

use crate::table::{FLOATS, NAMES};

#[derive(Clone, Debug)]
pub struct Options {
    pub codec: Compression,
    /// Pages of the second format.
    pub second: bool,
    pub dictionary: [bool; 11],
    /// 0 plain, 1 split, 2 deltas (integers only), else the writer's own choice.
    pub encoding: [u8; 11],
    pub page_rows: usize,
    pub page_bytes: usize,
    pub dictionary_bytes: usize,
    pub group_rows: usize,
}

impl Options {
    /// One page and one row group where no more is asked for.
    pub fn new(codec: Compression, dictionary: bool, encoding: u8) -> Self {
        let many = 1 << 20;
        Self {
            codec,
            second: false,
            dictionary: [dictionary; 11],
            encoding: [encoding; 11],
            page_rows: many,
            page_bytes: many,
            dictionary_bytes: many,
            group_rows: many,
        }
    }

    /// Columns in which nothing is left to the parquet crate.
    pub fn own_columns(&self) -> Vec<&'static str> {
        let own = |at: &usize| {
            let deltas = self.encoding[*at] == 2 && !FLOATS.contains(&NAMES[*at]);
            self.codec != Compression::LZ4 && !deltas && (self.dictionary[*at] || !self.second)
        };
        (0..NAMES.len()).filter(own).map(|at| NAMES[at]).collect()
    }
}

pub fn options() -> impl Strategy<Value = Options> {
    let codec = prop_oneof![
        Just(Compression::UNCOMPRESSED),
        Just(Compression::LZ4_RAW),
        Just(Compression::SNAPPY),
        Just(Compression::ZSTD(ZstdLevel::default())),
        Just(Compression::LZ4),
    ];
    (
        (codec, any::<bool>(), any::<[bool; 11]>(), proptest::array::uniform11(0_u8..4)),
        (1_usize..3000, 64_usize..1 << 16, 32_usize..1 << 16, 1_usize..6000),
    )
        .prop_map(|((codec, second, dictionary, encoding), sizes)| {
            let (page_rows, page_bytes, dictionary_bytes, group_rows) = sizes;
            Options {
                codec,
                second,
                dictionary,
                encoding,
                page_rows,
                page_bytes,
                dictionary_bytes,
                group_rows,
            }
        })
}

pub fn write(table: &RecordBatch, options: &Options) -> Bytes {
    let version = if options.second { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
    let mut properties = WriterProperties::builder()
        .set_compression(options.codec)
        .set_writer_version(version)
        .set_write_batch_size(options.page_rows.min(512))
        .set_data_page_row_count_limit(options.page_rows)
        .set_data_page_size_limit(options.page_bytes)
        .set_dictionary_page_size_limit(options.dictionary_bytes)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(options.group_rows));
    for ((name, dictionary), encoding) in NAMES.iter().zip(options.dictionary).zip(options.encoding) {
        let path = ColumnPath::from(*name);
        properties = properties.set_column_dictionary_enabled(path.clone(), dictionary);
        properties = match encoding {
            0 => properties.set_column_encoding(path, Encoding::PLAIN),
            1 => properties.set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT),
            2 if !FLOATS.contains(name) => {
                properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED)
            }
            _ => properties,
        };
    }
    let mut file = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut file, table.schema(), Some(properties.build())).expect("a writer");
    // The writer calls itself for each row group of what it is given; thousands of them would overflow the stack.
    let step = 100 * options.group_rows;
    for start in (0..table.num_rows()).step_by(step) {
        let rows = table.slice(start, step.min(table.num_rows() - start));
        writer.write(&rows).expect("a written table");
    }
    writer.close().expect("a footer");
    file.into()
}

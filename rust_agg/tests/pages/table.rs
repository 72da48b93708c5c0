//! Tables with the columns of `traces`: of runs and of mixed values, of few values and of many.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt8Array, UInt16Array, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;

use crate::random::Random;

pub const NAMES: [&str; 11] =
    ["prompt", "sample", "round", "position", "offset", "token", "p", "q", "overlap", "entropy", "verdict"];
/// Those that Parquet stores as floats.
pub const FLOATS: [&str; 4] = ["p", "q", "overlap", "entropy"];

/// What a table looks like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub rows: usize,
    pub seed: u64,
    /// Different values in a column.
    pub spread: u64,
    /// How long equal values stand together.
    pub run: u64,
    pub nullable: bool,
}

pub fn shapes(rows: Range<usize>) -> impl Strategy<Value = Shape> {
    let spread = prop_oneof![1_u64..5, 5_u64..300, 300_u64..70_000];
    let run = prop_oneof![Just(1_u64), 1_u64..40, 40_u64..2000];
    (rows, any::<u64>(), spread, run, any::<bool>()).prop_map(|(rows, seed, spread, run, nullable)| Shape {
        rows,
        seed,
        spread,
        run,
        nullable,
    })
}

/// Numbers from a generator with this seed.
pub fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut random = Random(seed);
    move || random.next()
}

#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
pub fn table(shape: Shape) -> RecordBatch {
    let Shape { rows, seed, spread, run, .. } = shape;
    let mut next = numbers(seed);
    let mut column = |spread: u64| -> Vec<u64> {
        let (mut value, mut left) = (0, 0);
        let mut row = |_| {
            if left == 0 {
                (value, left) = (next() % spread.max(1), next() % (2 * run.max(1)) + 1);
            }
            left -= 1;
            value
        };
        (0..rows).map(&mut row).collect()
    };
    let mut small = |spread: u64| -> ArrayRef {
        Arc::new(UInt16Array::from_iter_values(column(spread.min(1 << 16)).iter().map(|&v| v as u16)))
    };
    let [sample, round, position, offset] = [2, spread, spread.min(20), spread].map(&mut small);
    let mut float = |spread: u64| -> ArrayRef {
        let bits = column(spread).into_iter().map(|v| (v as u32).wrapping_mul(2_654_435_761));
        Arc::new(Float32Array::from_iter_values(bits.map(f32::from_bits)))
    };
    let [p, q, overlap, entropy] = [spread, 1 << 32, 3, 1 << 20].map(&mut float);
    let prompt = column(spread).into_iter().map(|v| v.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let prompt: ArrayRef = Arc::new(UInt64Array::from_iter_values(prompt));
    let token = column(spread * 7).into_iter().map(|v| (v as u32).wrapping_mul(40_503));
    let token: ArrayRef = Arc::new(UInt32Array::from_iter_values(token));
    let verdict: ArrayRef =
        Arc::new(UInt8Array::from_iter_values(column(spread.min(256)).into_iter().map(|v| v as u8)));
    let columns = vec![prompt, sample, round, position, offset, token, p, q, overlap, entropy, verdict];
    RecordBatch::try_new(schema(shape.nullable), columns).expect("columns fit the schema")
}

pub fn schema(nullable: bool) -> Arc<Schema> {
    use DataType::{Float32, UInt8, UInt16, UInt32, UInt64};
    let types = [UInt64, UInt16, UInt16, UInt16, UInt16, UInt32, Float32, Float32, Float32, Float32, UInt8];
    let fields = NAMES.iter().zip(types).map(|(name, dtype)| Field::new(*name, dtype, nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

//! The types of the fold, and their values as Parquet stores them: one after the other (`PLAIN`) or split
//! into streams of first bytes, second bytes and so on (`BYTE_STREAM_SPLIT`). Parquet has no integers below
//! 32 bits; a stored number that does not fit the type of its column is damage.

use parquet::data_type::{DataType, FloatType, Int32Type, Int64Type};

/// A type of the fold.
pub trait Value: Copy + Default + PartialEq + 'static {
    /// The crate's name of the stored type.
    type Stored: DataType;
    /// The bits of a stored value.
    type Bits: Ord;
    /// Bytes of a stored value: 4 or 8.
    const WIDTH: usize;
    /// The greatest bits that fit, 2ⁿ - 1: values fit where all their bits together do.
    const MOST: Self::Bits;
    /// Decode plain values; false where one is out of range. `bytes` has `WIDTH` for each of `out`.
    fn plain(bytes: &[u8], out: &mut [Self]) -> bool;
    /// Join split streams, each of `stride` bytes, from value `at` on; false where a value is out of range.
    fn join(bytes: &[u8], stride: usize, at: usize, out: &mut [Self]) -> bool;
    /// From the crate's type; none where it is out of range.
    fn from_stored(stored: &<Self::Stored as DataType>::T) -> Option<Self>;
}

macro_rules! value {
    ($type:ty, $stored:ty, $bits:ty, $join:ident, $narrow:expr, $most:expr, $from:expr) => {
        impl Value for $type {
            type Stored = $stored;
            type Bits = $bits;
            const WIDTH: usize = size_of::<$bits>();
            const MOST: $bits = $most;

            #[inline]
            fn plain(bytes: &[u8], out: &mut [Self]) -> bool {
                let mut seen: $bits = 0;
                for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                    let bits = <$bits>::from_le_bytes(*bytes);
                    seen |= bits;
                    *out = $narrow(bits);
                }
                seen <= Self::MOST
            }

            #[inline]
            fn join(bytes: &[u8], stride: usize, at: usize, out: &mut [Self]) -> bool {
                $join(bytes, stride, at, out, $narrow) <= Self::MOST
            }

            fn from_stored(stored: &<$stored as DataType>::T) -> Option<Self> {
                $from(*stored)
            }
        }
    };
}

value!(f32, FloatType, u32, join4, f32::from_bits, u32::MAX, Some);
value!(u64, Int64Type, u64, join8, |bits: u64| bits, u64::MAX, |stored: i64| Some(stored.cast_unsigned()));
value!(u32, Int32Type, u32, join4, |bits: u32| bits, u32::MAX, |stored: i32| Some(stored.cast_unsigned()));
value!(u16, Int32Type, u32, join4, low_half, 0xffff, |stored: i32| u16::try_from(stored).ok());
value!(u8, Int32Type, u32, join4, low_byte, 0xff, |stored: i32| u8::try_from(stored).ok());

fn low_half(bits: u32) -> u16 {
    let [a, b, ..] = bits.to_le_bytes();
    u16::from_le_bytes([a, b])
}

fn low_byte(bits: u32) -> u8 {
    bits.to_le_bytes()[0]
}

/// Rows that `join4` handles at a time: its halves stay in the nearest cache.
const STEP: usize = 256;

/// Join four streams. In two steps, bytes to halves to wholes, which compilers turn into fewer instructions.
#[inline]
fn join4<T>(bytes: &[u8], stride: usize, at: usize, out: &mut [T], narrow: impl Fn(u32) -> T) -> u32 {
    let (mut low, mut high) = ([0_u16; STEP], [0_u16; STEP]);
    let mut seen = 0;
    for (step, out) in out.chunks_mut(STEP).enumerate() {
        let stream = |k: usize| {
            let from = k * stride + at + step * STEP;
            bytes.get(from..from + out.len()).unwrap_or_default()
        };
        let pair = |half: &mut [u16; STEP], first: &[u8], second: &[u8]| {
            for (half, (&a, &b)) in half.iter_mut().zip(first.iter().zip(second)) {
                *half = u16::from(a) | u16::from(b) << 8;
            }
        };
        pair(&mut low, stream(0), stream(1));
        pair(&mut high, stream(2), stream(3));
        for (out, (&low, &high)) in out.iter_mut().zip(low.iter().zip(&high)) {
            let bits = u32::from(low) | u32::from(high) << 16;
            seen |= bits;
            *out = narrow(bits);
        }
    }
    seen
}

/// Join eight streams.
fn join8<T>(bytes: &[u8], stride: usize, at: usize, out: &mut [T], narrow: impl Fn(u64) -> T) -> u64 {
    let mut seen = 0;
    for (row, out) in out.iter_mut().enumerate() {
        let byte = |k: usize| u64::from(bytes.get(k * stride + at + row).copied().unwrap_or_default());
        let bits = (0..8).fold(0, |bits, k| bits | byte(k) << (8 * k));
        seen |= bits;
        *out = narrow(bits);
    }
    seen
}

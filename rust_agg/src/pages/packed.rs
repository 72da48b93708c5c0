//! Bit-packed numbers: `width` bits each, the first in the lowest bits (`Encodings.md`, "Run Length Encoding
//! / Bit-Packing Hybrid").

/// Eight bytes from `at` on, as a number; zeros after the end.
#[inline]
pub fn eight(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    if let Some(eight) = rest.first_chunk() {
        return u64::from_le_bytes(*eight);
    }
    rest.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// The number at a position, of at most 32 bits: with the 7 before it they lie in eight bytes.
#[inline]
pub fn one(bytes: &[u8], width: usize, position: usize) -> usize {
    let bit = position * width;
    let number = eight(bytes, bit / 8) >> (bit % 8) & ((1 << width) - 1);
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Eight numbers of at most 7 bits, one to a byte: halves, quarters and eighths are moved apart.
#[inline]
pub fn spread(packed: u64, width: usize) -> u64 {
    let low = |bits: usize| (1_u64 << bits) - 1;
    let fours = packed & low(4 * width) | (packed >> (4 * width) & low(4 * width)) << 32;
    let mask = low(2 * width) * 0x0000_0001_0000_0001;
    let twos = fours & mask | (fours >> (2 * width) & mask) << 16;
    let mask = low(width) * 0x0001_0001_0001_0001;
    twos & mask | (twos >> width & mask) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits one by one, as the format describes them.
    fn slowly(bytes: &[u8], width: usize, position: usize) -> usize {
        let bit = |at: usize| usize::from(bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1));
        (0..width).map(|k| bit(position * width + k) << k).sum()
    }

    #[test]
    fn numbers_of_any_width_are_what_their_bits_say() {
        let bytes: Vec<u8> = (0..100_u8).map(|k| k.wrapping_mul(151).wrapping_add(37)).collect();
        for width in 0..=32 {
            for position in 0..40 {
                assert_eq!(one(&bytes, width, position), slowly(&bytes, width, position));
            }
        }
        for width in 1..=7 {
            let bytes_apart = spread(eight(&bytes, 3), width).to_le_bytes();
            let wanted =
                std::array::from_fn(|k| u8::try_from(slowly(&bytes[3..], width, k)).expect("7 bits"));
            assert_eq!(bytes_apart, wanted);
        }
    }
}

//! Counts of tokens by prompt, packed: some two bytes for a token, where a list of numbers takes 24.

use crate::sorted::merge;

/// Prompt index, then token, as one number.
type Key = u64;

/// Counts that most entries have.
const ONE_REJECTED: [u64; 2] = [1, 0];
const ONE_ACCEPTED: [u64; 2] = [0, 1];
/// Mark of a key too far from the one before for four times the distance; the distance follows, then the counts.
const FAR: u64 = 3;
/// Bytes of the longest entry: four numbers of at most ten.
const ENTRY: usize = 40;

/// Judged tokens with q > p by (prompt index, token) and verdict: sorted, each key once.
///
/// Every entry is a number in LEB128: four times the distance of its key to the one before, and 1 or 2 more for a token
/// that was seen once and rejected or accepted, as most are; its two counts follow where it has neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    bytes: Vec<u8>,
    len: usize,
    last: Key,
}

impl TokenCounts {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Add an entry behind all others.
    ///
    /// # Panics
    /// Where its key is not greater than theirs.
    #[inline]
    pub fn push(&mut self, prompt: u32, token: u32, counts: [u64; 2]) {
        self.push_key(u64::from(prompt) << 32 | u64::from(token), counts);
    }

    #[inline]
    fn push_key(&mut self, key: Key, counts: [u64; 2]) {
        assert!(self.len == 0 || key > self.last, "token counts out of order");
        // Put together first: the list then grows once.
        let mut entry = [0; ENTRY];
        let (distance, mut n) = (key - self.last, 0);
        let kind = match counts {
            _ if distance >> 62 != 0 => FAR,
            ONE_REJECTED => 1,
            ONE_ACCEPTED => 2,
            _ => 0,
        };
        n = write(&mut entry, n, distance << 2 | kind);
        if kind == FAR {
            n = write(&mut entry, n, distance);
        }
        if kind == FAR || kind == 0 {
            n = counts.iter().fold(n, |n, count| write(&mut entry, n, *count));
        }
        self.bytes.extend_from_slice(&entry[..n]);
        self.last = key;
        self.len += 1;
    }

    /// Prompt index, token and counts of each entry, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, [u64; 2])> + '_ {
        #[allow(clippy::cast_possible_truncation, reason = "the two halves of a key")]
        self.keyed().map(|(key, counts)| ((key >> 32) as u32, key as u32, counts))
    }

    fn keyed(&self) -> Entries<'_> {
        Entries { bytes: &self.bytes, left: self.len, last: 0 }
    }

    /// Add all counts of another.
    pub fn merge(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        if other.is_empty() {
            return;
        }
        let mut merged = Self { bytes: Vec::with_capacity(self.bytes.len()), ..Self::default() };
        merge(self.keyed(), other.keyed(), |key, counts| merged.push_key(key, counts));
        *self = merged;
    }
}

struct Entries<'a> {
    bytes: &'a [u8],
    left: usize,
    last: Key,
}

impl Iterator for Entries<'_> {
    type Item = (Key, [u64; 2]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = read(&mut self.bytes);
        self.last += if entry & 3 == FAR { read(&mut self.bytes) } else { entry >> 2 };
        let counts = match entry & 3 {
            1 => ONE_REJECTED,
            2 => ONE_ACCEPTED,
            _ => [read(&mut self.bytes), read(&mut self.bytes)],
        };
        Some((self.last, counts))
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "masked to seven bits")]
fn write(bytes: &mut [u8; ENTRY], mut at: usize, mut value: u64) -> usize {
    while value >= 0x80 {
        bytes[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    bytes[at] = value as u8;
    at + 1
}

/// A number that [`write`] wrote.
#[inline]
fn read(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            break;
        }
        shift += 7;
    }
    value
}

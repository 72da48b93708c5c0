//! Dictionaries: the values that indices stand for, and indices looked up many at a time.

use super::fault::{Checked, wrong};
use super::packed::{eight, one, spread};
use super::value::Value;

/// Values that indices stand for.
pub struct Dictionary<T> {
    values: Vec<T>,
    /// The same again, so that an index of eight bits needs no check to be looked up (one beyond the end is
    /// found out afterwards).
    small: Box<[T; 256]>,
    spelled: Spelled<T>,
}

impl<T: Value> Dictionary<T> {
    pub fn new() -> Self {
        let spelled = Spelled { width: 0, values: Vec::new(), second: 0, lift: 0, carry: 0 };
        Self { values: Vec::new(), small: Box::new([T::default(); 256]), spelled }
    }

    /// Take `count` plain values.
    pub fn load(&mut self, bytes: &[u8], count: usize) -> Checked<()> {
        if count.checked_mul(T::WIDTH) != Some(bytes.len()) {
            return wrong(format!("a dictionary of {count} values has {} bytes", bytes.len()));
        }
        self.values.clear();
        self.values.resize(count, T::default());
        if !T::plain(bytes, &mut self.values) {
            return wrong("a value of the dictionary is out of range");
        }
        for (small, value) in self.small.iter_mut().zip(&self.values) {
            *small = *value;
        }
        self.spelled.width = 0;
        Ok(())
    }

    /// Prepare to look up many indices of this width.
    pub fn spell(&mut self, width: usize) {
        if matches!(width, 1 | 2 | 4) && self.spelled.width != width {
            self.spelled.make(width, &self.values);
        }
    }

    /// Whether what bytes of such indices stand for is spelled out.
    pub fn is_spelled(&self, width: usize) -> bool {
        width > 0 && self.spelled.width == width
    }

    /// Look up an index.
    #[inline]
    pub fn get(&self, index: usize) -> Checked<T> {
        match self.values.get(index) {
            Some(value) => Ok(*value),
            None => self.beyond(),
        }
    }

    #[cold]
    fn beyond<U>(&self) -> Checked<U> {
        wrong(format!("an index beyond a dictionary of {}", self.values.len()))
    }

    /// Look up packed indices, from the one numbered `from` on.
    #[inline]
    pub fn unpack(&self, bytes: &[u8], width: usize, from: usize, out: &mut [T]) -> Checked<()> {
        // Up to the next eight, then eights, then the rest.
        let lead = (from.wrapping_neg() % 8).min(out.len());
        let (lead, rest) = out.split_at_mut(lead);
        for (at, out) in lead.iter_mut().enumerate() {
            *out = self.get(one(bytes, width, from + at))?;
        }
        let from = from + lead.len();
        let (eights, tail) = rest.as_chunks_mut::<8>();
        let packed = bytes.get(from / 8 * width..).unwrap_or_default();
        match width {
            1 | 2 | 4 if self.spelled.width == width && packed.len() >= eights.len() * width => {
                let eights = eights.as_flattened_mut();
                let fine = match width {
                    1 => self.spelled.look_up::<8>(packed, eights),
                    2 => self.spelled.look_up::<4>(packed, eights),
                    _ => self.spelled.look_up::<2>(packed, eights),
                };
                if !fine {
                    return self.beyond();
                }
            }
            1..=7 => self.unpack_narrow(packed, width, eights)?,
            _ => {
                for (at, out) in eights.as_flattened_mut().iter_mut().enumerate() {
                    *out = self.get(one(packed, width, at))?;
                }
            }
        }
        let done = eights.len() * 8;
        for (at, out) in tail.iter_mut().enumerate() {
            *out = self.get(one(packed, width, done + at))?;
        }
        Ok(())
    }

    /// Look up short runs of a hybrid, one after the other, and step over them; returns how many values they
    /// have.
    ///
    /// How long a run is cannot be foreseen, and a branch on it would cost more than the run: each is written
    /// out as if it had as many values as can be, and what is too much is overwritten by the next.
    #[inline]
    pub fn short_runs(&self, bytes: &[u8], at: &mut usize, out: &mut [T]) -> Checked<usize> {
        match self.spelled.width {
            1 => self.short_runs_of::<8>(bytes, at, out),
            2 => self.short_runs_of::<4>(bytes, at, out),
            _ => self.short_runs_of::<2>(bytes, at, out),
        }
    }

    fn short_runs_of<const N: usize>(&self, bytes: &[u8], at: &mut usize, out: &mut [T]) -> Checked<usize> {
        let Some(table) = self.spelled.table::<N>() else { return Ok(0) };
        let (mut done, mut next, mut over) = (0, *at, 0);
        while let Some([head, packed @ ..]) = bytes.get(next..).and_then(<[u8]>::first_chunk::<9>)
            && let Some(room) = out.get_mut(done..).and_then(<[T]>::first_chunk_mut::<64>)
        {
            let count = usize::from(head >> 1);
            if head & 1 == 0 && *head < 0x80 {
                *room = [self.get(packed[0].into())?; 64];
                (next, done) = (next + 2, done + count);
            } else if head & 1 == 1 && (1..=N).contains(&count) {
                let length = count * 8 / N;
                over |= self.spelled.over(u64::from_le_bytes(*packed) & u64::MAX >> (64 - 8 * length));
                for (room, byte) in room.as_chunks_mut().0.iter_mut().zip(packed) {
                    *room = table[usize::from(*byte)];
                }
                (next, done) = (next + 1 + length, done + count * 8);
            } else {
                break;
            }
        }
        *at = next;
        if over == 0 { Ok(done) } else { self.beyond() }
    }

    /// Indices of at most 7 bits, eight at a time.
    #[inline]
    fn unpack_narrow(&self, packed: &[u8], width: usize, eights: &mut [[T; 8]]) -> Checked<()> {
        // Bytes of `over` above 127 are indices beyond the end; no sum of two bytes here is above 255.
        let known = self.values.len().min(128) as u64;
        let lift = (0x80 - known) * 0x0101_0101_0101_0101;
        let mut over = 0;
        for (at, out) in eights.iter_mut().enumerate() {
            let indices = spread(eight(packed, at * width), width);
            over |= indices + lift;
            for (out, index) in out.iter_mut().zip(indices.to_le_bytes()) {
                *out = self.small[usize::from(index)];
            }
        }
        if over & 0x8080_8080_8080_8080 != 0 { self.beyond() } else { Ok(()) }
    }
}

/// What each byte of packed indices stands for: eight, four or two values, for widths of 1, 2 and 4 bits.
struct Spelled<T> {
    /// 0 before it is made.
    width: usize,
    values: Vec<T>,
    /// Every second index of eight bytes.
    second: u64,
    /// What, added to such an index, carries into the next one where it lies beyond the dictionary.
    lift: u64,
    carry: u64,
}

impl<T: Value> Spelled<T> {
    fn make(&mut self, width: usize, dictionary: &[T]) {
        let indices = 1 << width;
        // Once in every two indices.
        let each = u64::MAX / ((1 << (2 * width)) - 1);
        (self.width, self.second, self.carry) = (width, each * (indices - 1), each * indices);
        self.lift = each * indices.saturating_sub(dictionary.len() as u64);
        self.values.clear();
        for byte in 0..256 {
            let values =
                (0..8).step_by(width).map(|shift| dictionary.get(byte >> shift & ((1 << width) - 1)));
            self.values.extend(values.map(|value| value.copied().unwrap_or_default()));
        }
    }

    /// The values of each byte, where `N` of them are in one.
    #[inline]
    fn table<const N: usize>(&self) -> Option<&[[T; N]; 256]> {
        self.values.as_chunks().0.try_into().ok()
    }

    /// Bits where an index lies beyond the dictionary.
    #[inline]
    fn over(&self, packed: u64) -> u64 {
        let lifted = |indices: u64| (indices & self.second) + self.lift;
        (lifted(packed) | lifted(packed >> self.width)) & self.carry
    }

    /// Spell out packed bytes; false where one lies beyond. `N` is 8 / width.
    #[inline]
    fn look_up<const N: usize>(&self, packed: &[u8], out: &mut [T]) -> bool {
        let Some(table) = self.table::<N>() else { return false };
        let out = out.as_chunks_mut().0;
        let packed = &packed[..packed.len().min(out.len())];
        for (out, &byte) in out.iter_mut().zip(packed) {
            *out = table[usize::from(byte)];
        }
        let (eights, rest) = packed.as_chunks();
        let over = eights.iter().fold(0, |over, bytes| over | self.over(u64::from_le_bytes(*bytes)));
        over | self.over(eight(rest, 0)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dictionary of 10, 11, 12 …
    fn dictionary(known: u8) -> Dictionary<u8> {
        let plain: Vec<u8> = (10..10 + known).flat_map(|value| u32::from(value).to_le_bytes()).collect();
        let mut dictionary = Dictionary::new();
        assert!(dictionary.load(&plain, known.into()).is_ok());
        dictionary
    }

    #[test]
    fn spelled_indices_are_those_looked_up_one_by_one() {
        for (width, known, byte) in [1, 2, 4].into_iter().flat_map(|width| {
            (0..=1_u8 << width).flat_map(move |known| (0..=u8::MAX).map(move |byte| (width, known, byte)))
        }) {
            let mut dictionary = dictionary(known);
            // A run of eights whose last byte is the one that may be beyond, and room to read behind it.
            let mut bytes = vec![(8 / u8::try_from(width).expect("small")) << 1 | 1];
            bytes.extend([0, 0, 0, 0, 0, 0, 0, byte, 255, 255, 255]);
            let (mut one_by_one, mut spelled, mut short) = ([0_u8; 64], [0_u8; 64], [0_u8; 64]);
            let count = 64 / width;
            let wanted = (0..count).try_for_each(|at| {
                one_by_one[at] = dictionary.get(one(&bytes[1..], width, at))?;
                Checked::Ok(())
            });
            dictionary.spell(width);
            let unpacked = dictionary.unpack(&bytes[1..], width, 0, &mut spelled[..count]);
            let mut at = 0;
            let taken = dictionary.short_runs(&bytes, &mut at, &mut short);
            assert_eq!((unpacked.is_ok(), taken.is_ok()), (wanted.is_ok(), wanted.is_ok()));
            if wanted.is_ok() {
                assert_eq!((at, taken.ok()), (9, Some(count)));
                assert_eq!(
                    (&spelled[..count], &short[..count]),
                    (&one_by_one[..count], &one_by_one[..count])
                );
            }
        }
    }
}

//! The hybrid of run-length and bit-packed numbers (`Encodings.md`): runs, each with a header that says how
//! many times one number is repeated, or how many eights of packed numbers follow.

use super::dictionary::Dictionary;
use super::fault::{Checked, wrong};
use super::sink::Sink;
use super::value::Value;

/// Where in the numbers of a page the next one is.
#[derive(Clone, Copy, Debug)]
pub struct Hybrid {
    /// Bits of a number, at most 32.
    width: usize,
    run: Run,
    /// Numbers of the run that were not taken.
    left: usize,
    /// Where the run after this one starts.
    next: usize,
}

/// A run of numbers.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// One number.
    Repeat(u32),
    /// Packed numbers that begin at byte `start`, and how many of them were taken.
    Packed { start: usize, taken: usize },
}

impl Hybrid {
    /// Numbers of `width` bits that start at byte `at`.
    pub fn new(at: usize, width: u8) -> Checked<Self> {
        if width > 32 {
            return wrong(format!("numbers of {width} bits"));
        }
        Ok(Self { width: width.into(), run: Run::Repeat(0), left: 0, next: at })
    }

    /// Whether no bytes come after the run that was read last.
    pub fn is_last(&self, bytes: &[u8]) -> bool {
        self.next == bytes.len()
    }

    /// The run at hand and how many numbers of it are taken now: at least one, at most `most`.
    #[inline]
    pub fn step(&mut self, bytes: &[u8], most: usize) -> Checked<(Run, usize)> {
        if self.left == 0 {
            self.advance(bytes)?;
        }
        let (run, count) = (self.run, self.left.min(most));
        if let Run::Packed { taken, .. } = &mut self.run {
            *taken += count;
        }
        self.left -= count;
        Ok((run, count))
    }

    /// Start the next run that is not empty.
    #[inline]
    fn advance(&mut self, bytes: &[u8]) -> Checked<()> {
        while self.left == 0 {
            let header = self.varint(bytes)?;
            let count = (header >> 1) as usize;
            let rest = bytes.get(self.next..).unwrap_or_default();
            if header & 1 == 1 {
                self.run = Run::Packed { start: self.next, taken: 0 };
                match count.checked_mul(self.width) {
                    Some(length) if length <= rest.len() => {
                        self.left = count.saturating_mul(8);
                        self.next += length;
                    }
                    // Some writers leave out what pads the last eight of a page.
                    _ => {
                        self.left = rest.len() * 8 / self.width;
                        self.next = bytes.len();
                        if self.left == 0 {
                            return wrong("a run is cut off");
                        }
                    }
                }
            } else {
                let length = self.width.div_ceil(8);
                let Some(value) = rest.get(..length) else {
                    return wrong("a run is cut off");
                };
                let value = value.iter().rev().fold(0_u32, |value, &byte| value << 8 | u32::from(byte));
                self.run = Run::Repeat(value);
                self.left = count;
                self.next += length;
            }
        }
        Ok(())
    }

    #[inline]
    fn varint(&mut self, bytes: &[u8]) -> Checked<u32> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let Some(&byte) = bytes.get(self.next) else {
                return wrong("fewer values than the page promises");
            };
            self.next += 1;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        wrong("a run without end")
    }

    /// Look up the next `count` numbers of a page.
    pub fn take<T: Value>(
        &mut self,
        bytes: &[u8],
        dictionary: &Dictionary<T>,
        mut count: usize,
        sink: &mut impl Sink<T>,
    ) -> Checked<()> {
        // A copy: what stands behind a reference is written back at every step.
        let mut state = *self;
        let spelled = dictionary.is_spelled(state.width);
        while count > 0 {
            if spelled && state.left == 0 {
                count -= sink.short(count, |out| dictionary.short_runs(bytes, &mut state.next, out))?;
                if count == 0 {
                    break;
                }
            }
            if state.left == 0 {
                state.advance(bytes)?;
            }
            let n = count.min(state.left);
            match &mut state.run {
                Run::Repeat(index) => sink.repeat(dictionary.get(*index as usize)?, n),
                Run::Packed { start, taken } => {
                    let packed = bytes.get(*start..).unwrap_or_default();
                    sink.slice(n, |out| dictionary.unpack(packed, state.width, *taken, out))?;
                    *taken += n;
                }
            }
            state.left -= n;
            count -= n;
        }
        *self = state;
        Ok(())
    }
}

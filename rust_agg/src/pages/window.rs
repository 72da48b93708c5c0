//! The bytes of a column chunk, read in turn.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;

use super::fault::{Checked, wrong};
use super::spare::Buffer;

/// Bytes read from a file at a time, where a page is not longer.
const AT_A_TIME: usize = 1 << 17;

/// Where the bytes of a Parquet file are.
pub enum Input {
    /// In a file, whose cursor no one else may move meanwhile (clones of it share the cursor).
    File(File),
    /// In memory, all of them, as after a digest was taken of them.
    Memory(Bytes),
}

impl Input {
    /// How many there are.
    pub(super) fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }
}

/// A part of the input of which a piece is at hand.
pub struct Window {
    buffer: Source,
    /// What is at hand and unread.
    low: usize,
    high: usize,
    /// Where in the input the bytes after those at hand are.
    next: u64,
    end: u64,
}

enum Source {
    Read(Buffer),
    /// The whole input.
    Shared(Bytes),
}

impl Window {
    pub fn new(input: &Input, part: Range<u64>) -> Checked<Self> {
        let Range { start, end } = part;
        if start > end || end > input.length()? {
            return wrong("lies outside the file");
        }
        Ok(match input {
            Input::File(_) => Self { buffer: Source::Read(Buffer::new()), low: 0, high: 0, next: start, end },
            Input::Memory(bytes) => {
                // No further than the length of what is in memory.
                let [low, high] = [start, end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
                Self { buffer: Source::Shared(bytes.clone()), low, high, next: end, end }
            }
        })
    }

    /// Bytes by their place; places are good until the next call of [`Self::fill`].
    #[inline]
    pub fn at(&self, place: &Range<usize>) -> &[u8] {
        match &self.buffer {
            Source::Read(bytes) => &bytes[place.clone()],
            Source::Shared(bytes) => &bytes[place.clone()],
        }
    }

    /// The place of what is at hand, at most `most` bytes.
    pub fn at_hand(&self, most: usize) -> Range<usize> {
        self.low..self.high.min(self.low.saturating_add(most))
    }

    /// Bytes that are left, at hand or not.
    pub fn unread(&self) -> u64 {
        (self.high - self.low) as u64 + (self.end - self.next)
    }

    /// Pass over bytes at hand.
    pub fn pass(&mut self, count: usize) {
        self.low = self.high.min(self.low.saturating_add(count));
    }

    /// Have at least `need` bytes at hand, or all that are left.
    pub fn fill(&mut self, input: &mut Input, need: usize) -> io::Result<()> {
        let need = need.min(usize::try_from(self.unread()).unwrap_or(usize::MAX));
        // What is in memory is all at hand.
        let (false, Input::File(file), Source::Read(buffer)) =
            (self.high - self.low >= need, input, &mut self.buffer)
        else {
            return Ok(());
        };
        buffer.copy_within(self.low..self.high, 0);
        self.high -= self.low;
        self.low = 0;
        // `need` is no more than what is left of the part, which lies in the file.
        buffer.grow(need.max(AT_A_TIME));
        let most = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        let stop = buffer.len().min(self.high.saturating_add(most));
        file.seek(SeekFrom::Start(self.next))?;
        while self.high < need {
            match file.read(&mut buffer[self.high..stop]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.high += n;
                    self.next += n as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

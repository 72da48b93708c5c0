//! Thrift's compact protocol, as far as footers and page headers of Parquet need it to be doubted: neither has a
//! checksum.

/// Structs and lists in one another: a real header has three levels, a footer seven.
const DEPTH: usize = 12;

/// Why a header could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Short {
    /// It goes on after the bytes at hand.
    More,
    /// It cannot be one.
    Wrong(&'static str),
}

/// What reading gives.
pub type Result<T> = std::result::Result<T, Short>;

/// True, in the head of a field.
pub const TRUE: u8 = 1;
/// False.
pub const FALSE: u8 = 2;
/// 32 bits.
pub const INT: u8 = 5;
/// 64 bits.
pub const LONG: u8 = 6;
/// Values of one kind.
pub const LIST: u8 = 9;
/// Fields.
pub const STRUCT: u8 = 12;

/// Bytes that are read from the front.
pub struct Input<'a> {
    bytes: &'a [u8],
    /// Bytes read so far.
    pub at: usize,
}

impl<'a> Input<'a> {
    /// Read these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or(Short::More)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Short::Wrong("a number without end"))
    }

    /// A number of 32 bits.
    ///
    /// # Errors
    /// [`Short`].
    pub fn int(&mut self) -> Result<i32> {
        let zigzag = self.varint()?;
        let value = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        i32::try_from(value).map_err(|_| Short::Wrong("a number out of range"))
    }

    fn pass(&mut self, length: u64) -> Result<()> {
        let length = usize::try_from(length).ok().filter(|&length| length < 1 << 31);
        let length = length.ok_or(Short::Wrong("a text out of range"))?;
        self.at += length;
        if self.at > self.bytes.len() { Err(Short::More) } else { Ok(()) }
    }

    /// Go through the fields of a struct; those that `each` leaves alone are passed over.
    ///
    /// # Errors
    /// [`Short`], or that of `each`.
    pub fn fields(
        &mut self,
        depth: usize,
        mut each: impl FnMut(&mut Self, i16, u8) -> Result<bool>,
    ) -> Result<()> {
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            let kind = head & 0x0f;
            id = match head >> 4 {
                0 => i16::try_from(self.int()?).map_err(|_| Short::Wrong("a field out of range"))?,
                step => id.checked_add(step.into()).ok_or(Short::Wrong("a field out of range"))?,
            };
            if !each(self, id, kind)? {
                self.skip(kind, depth)?;
            }
        }
    }

    /// The head of a list: the kind and the number of its items, of which each takes at least a byte.
    ///
    /// # Errors
    /// [`Short`].
    pub fn list(&mut self) -> Result<(u8, usize)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        match usize::try_from(count) {
            Ok(count) if count <= self.bytes.len() - self.at => Ok((head & 0x0f, count)),
            _ => Err(Short::More),
        }
    }

    /// Pass over a value.
    ///
    /// # Errors
    /// [`Short`].
    pub fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        if depth >= DEPTH {
            return Err(Short::Wrong("fields nested too deep"));
        }
        match kind {
            TRUE | FALSE => Ok(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => {
                let (kind, count) = self.list()?;
                if matches!(kind, TRUE | FALSE) {
                    // Readers disagree on how long these are, and Parquet's footer has none.
                    return Err(Short::Wrong("a list of booleans"));
                }
                (0..count).try_for_each(|_| self.skip(kind, depth + 1))
            }
            STRUCT => self.fields(depth + 1, |_, _, _| Ok(false)),
            _ => Err(Short::Wrong("a field of no known type")),
        }
    }
}

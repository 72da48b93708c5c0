//! Page headers (`PageHeader` in `parquet.thrift`): the few fields of them that decoding needs, in Thrift's
//! compact protocol. Fields that are not known are passed over.

use parquet::basic::Encoding;

pub use crate::thrift::Short;
use crate::thrift::{FALSE, INT, Input, LIST, Result, STRUCT};

/// What follows a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Values, of the first format.
    Data {
        /// Whether its levels, if any, are in the hybrid encoding.
        hybrid_levels: bool,
    },
    /// Values, of the second format: levels come first and are never compressed.
    DataV2 {
        /// Their length in bytes.
        levels: usize,
        /// Whether the values are.
        compressed: bool,
    },
    /// Values of a dictionary.
    Dictionary,
    /// An index that is no use here.
    Index,
}

/// A page header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// Length of the page in the file, in bytes.
    pub compressed: usize,
    /// Its length when it is decompressed.
    pub uncompressed: usize,
    /// The checksum of what stands in the file.
    pub crc: Option<u32>,
    /// Values, nulls included.
    pub values: usize,
    /// How they are stored.
    pub encoding: Encoding,
}

#[derive(Default)]
struct Fields {
    kind: Option<i32>,
    uncompressed: Option<i32>,
    compressed: Option<i32>,
    crc: Option<i32>,
    page: [Option<Page>; 4],
}

#[derive(Clone, Copy, Default)]
struct Page {
    values: Option<i32>,
    encoding: Option<i32>,
    definition: i32,
    repetition: i32,
    definition_encoding: Option<i32>,
    stored: bool,
}

impl Header {
    /// Read a header; also returns its length in bytes.
    ///
    /// # Errors
    /// [`Short`].
    pub fn parse(bytes: &[u8]) -> Result<(Self, usize)> {
        let mut input = Input::new(bytes);
        let mut fields = Fields::default();
        input.fields(0, |input, id, kind| {
            match (id, kind) {
                (1, INT) => fields.kind = Some(input.int()?),
                (2, INT) => fields.uncompressed = Some(input.int()?),
                (3, INT) => fields.compressed = Some(input.int()?),
                (4, INT) => fields.crc = Some(input.int()?),
                (5, STRUCT) => fields.page[0] = Some(Page::read(input, 1)?),
                (7, STRUCT) => fields.page[2] = Some(Page::read(input, 7)?),
                (8, STRUCT) => fields.page[3] = Some(Page::read(input, 8)?),
                // No header has one, and the crate would pass over one without end if it claimed to be long.
                (_, LIST..STRUCT) => return Err(Short::Wrong("a list")),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok((fields.header()?, input.at))
    }
}

impl Fields {
    fn header(&self) -> Result<Header> {
        let size = |field: Option<i32>, name| {
            field.and_then(|size| usize::try_from(size).ok()).ok_or(Short::Wrong(name))
        };
        let kind = self.kind.and_then(|kind| usize::try_from(kind).ok()).filter(|&kind| kind < 4);
        let kind = kind.ok_or(Short::Wrong("no known type"))?;
        let compressed = size(self.compressed, "no length")?;
        let uncompressed = size(self.uncompressed, "no length")?;
        let crc = self.crc.map(i32::cast_unsigned);
        if kind == 1 {
            let (kind, values, encoding) = (Kind::Index, 0, Encoding::PLAIN);
            return Ok(Header { kind, compressed, uncompressed, crc, values, encoding });
        }
        let page = self.page[kind].ok_or(Short::Wrong("another type than it says"))?;
        let values = size(page.values, "no number of values")?;
        let encoding = page.encoding.and_then(encoding).ok_or(Short::Wrong("no known encoding"))?;
        let kind = match kind {
            0 => Kind::Data { hybrid_levels: page.definition_encoding == Some(3) },
            2 => Kind::Dictionary,
            _ => {
                if page.repetition != 0 {
                    return Err(Short::Wrong("repetition levels"));
                }
                let levels = size(Some(page.definition), "levels of no length")?;
                Kind::DataV2 { levels, compressed: !page.stored }
            }
        };
        Ok(Header { kind, compressed, uncompressed, crc, values, encoding })
    }
}

/// Those of values; levels have their own.
fn encoding(number: i32) -> Option<Encoding> {
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}

impl Page {
    fn read(input: &mut Input<'_>, form: u8) -> Result<Self> {
        let mut page = Self::default();
        input.fields(1, |input, id, kind| {
            match (form, id, kind) {
                (_, 1, INT) => page.values = Some(input.int()?),
                (1 | 7, 2, INT) | (8, 4, INT) => page.encoding = Some(input.int()?),
                (1, 3, INT) => page.definition_encoding = Some(input.int()?),
                (8, 5, INT) => page.definition = input.int()?,
                (8, 6, INT) => page.repetition = input.int()?,
                (8, 7, FALSE) => page.stored = true,
                (_, _, LIST..STRUCT) => return Err(Short::Wrong("a list")),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(page)
    }
}

//! A column chunk cut into pages: headers read, checksums compared, bytes decompressed (`README.md` of the
//! format, "Column chunks" and "Checksumming"). Headers have no checksum of their own, so what they say is
//! compared with the footer and with each other.

use std::ops::Range;

use parquet::basic::Encoding;
use parquet::file::metadata::ColumnChunkMetaData;

use super::codec::Codec;
use super::fault::{Checked, wrong};
use super::header::{Header, Kind, Short};
use super::spare::Buffer;
use super::window::{Input, Window};

/// No page header is longer; statistics in it are short for the types here.
const HEADER_LIMIT: usize = 1 << 16;

/// Bytes of a page that are there however few values it has: those of a block of deltas are the most.
const SLACK: u64 = 1 << 13;

/// Where a chunk begins in its file.
#[must_use]
pub fn chunk_start(chunk: &ColumnChunkMetaData) -> i64 {
    // Some writers set the offset of a dictionary that is not there to 0.
    let first = chunk.data_page_offset();
    chunk.dictionary_page_offset().filter(|&at| at > 0 && at < first).unwrap_or(first)
}

/// The pages of a chunk.
pub struct Pages {
    window: Window,
    codec: Codec,
    /// Those that the footer names.
    encodings: Vec<Encoding>,
    /// Rows for which there was no value yet.
    to_come: u64,
    has_dictionary: bool,
    /// Where the current page is in the window, as it is stored.
    stored: Range<usize>,
    /// The current page, decompressed, and its length; not used where it is stored as it is.
    unpacked: Buffer,
    length: Option<usize>,
    /// Whether the data pages so far had checksums.
    checksums: Option<bool>,
}

impl Pages {
    pub fn new(input: &Input, meta: &ColumnChunkMetaData, rows: u64) -> Checked<Self> {
        let (start, length) = (u64::try_from(chunk_start(meta)), u64::try_from(meta.compressed_size()));
        let (Ok(start), Ok(length)) = (start, length) else {
            return wrong("lies outside the file");
        };
        let window = Window::new(input, start..start.saturating_add(length))?;
        let codec = Codec::new(meta.compression())?;
        Ok(Self {
            window,
            codec,
            encodings: meta.encodings().collect(),
            to_come: rows,
            has_dictionary: false,
            stored: 0..0,
            unpacked: Buffer::new(),
            length: None,
            checksums: None,
        })
    }

    /// Whether no row is without a value.
    pub fn is_done(&self) -> bool {
        self.to_come == 0
    }

    /// Whether codec and encodings are known here.
    pub fn is_own(&self) -> bool {
        use Encoding as E;
        #[expect(deprecated, reason = "some writers name it for levels that are not there")]
        let of_levels = |encoding| matches!(encoding, E::RLE | E::BIT_PACKED);
        let of_values = |encoding| {
            matches!(encoding, E::PLAIN | E::BYTE_STREAM_SPLIT | E::RLE_DICTIONARY | E::PLAIN_DICTIONARY)
        };
        let known = |&encoding: &E| of_levels(encoding) || of_values(encoding);
        !matches!(self.codec, Codec::Foreign) && self.encodings.iter().all(known)
    }

    /// Read the next page of values or dictionary and check what can be checked; none at the end.
    pub fn next(&mut self, input: &mut Input) -> Checked<Option<Header>> {
        while self.window.unread() > 0 {
            let header = self.read(input)?;
            match header.kind {
                Kind::Index => continue,
                Kind::Dictionary => self.check_dictionary(&header)?,
                Kind::Data { .. } | Kind::DataV2 { .. } => self.check_values(&header)?,
            }
            return Ok(Some(header));
        }
        if self.is_done() { Ok(None) } else { wrong("fewer values than the row group has rows") }
    }

    fn read(&mut self, input: &mut Input) -> Checked<Header> {
        let header = self.header(input)?;
        if header.compressed as u64 > self.window.unread() {
            return wrong("a page ends outside its column");
        }
        self.window.fill(input, header.compressed)?;
        self.stored = self.window.at_hand(header.compressed);
        self.window.pass(header.compressed);
        if header.crc.is_some_and(|crc| crc32fast::hash(self.window.at(&self.stored)) != crc) {
            return wrong("the checksum of a page is wrong");
        }
        Ok(header)
    }

    fn check_dictionary(&mut self, header: &Header) -> Checked<()> {
        let plain = matches!(header.encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY);
        if self.has_dictionary || self.checksums.is_some() || !plain {
            return wrong("a dictionary that is encoded, or not the first page");
        }
        if header.values as u64 > self.to_come {
            return wrong("a dictionary of more values than the row group has rows");
        }
        self.has_dictionary = true;
        Ok(())
    }

    fn check_values(&mut self, header: &Header) -> Checked<()> {
        let Some(to_come) = self.to_come.checked_sub(header.values as u64) else {
            return wrong("more values than the row group has rows");
        };
        self.to_come = to_come;
        if !self.encodings.contains(&header.encoding) {
            return wrong("a page has an encoding that its column does not name");
        }
        let indices = matches!(header.encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        if indices && !self.has_dictionary {
            return wrong("indices without a dictionary");
        }
        // A writer gives a checksum to all of them or to none.
        let has = header.crc.is_some();
        if self.checksums.replace(has).is_some_and(|had| had != has) {
            return wrong("some pages have a checksum and some have none");
        }
        Ok(())
    }

    fn header(&mut self, input: &mut Input) -> Checked<Header> {
        let mut need = 256;
        loop {
            self.window.fill(input, need)?;
            match Header::parse(self.window.at(&self.window.at_hand(need))) {
                Ok((header, length)) => {
                    self.window.pass(length);
                    return Ok(header);
                }
                Err(Short::More) if need < HEADER_LIMIT && (need as u64) < self.window.unread() => need *= 4,
                Err(Short::More) => return wrong("a page header is cut off"),
                Err(Short::Wrong(what)) => return wrong(format!("a page header has {what}")),
            }
        }
    }

    /// Refuse a page whose values would take more than `width` bytes each, with some before and after them,
    /// before memory is taken for it.
    pub fn check_length(&self, header: &Header, width: u64) -> Checked<()> {
        let (values, length) = (header.values, header.uncompressed);
        if length as u64 > (values as u64).saturating_mul(width).saturating_add(SLACK) {
            return wrong(format!("{values} values cannot take {length} bytes"));
        }
        self.codec.check_lengths(header.compressed, length)
    }

    /// Decompress the current page, once its length is checked.
    pub fn unpack(&mut self, header: &Header) -> Checked<()> {
        let (from, length) = (self.window.at(&self.stored), header.uncompressed);
        let (levels, compressed) = match header.kind {
            Kind::DataV2 { levels, compressed } => (levels, compressed),
            _ => (0, true),
        };
        if levels > length.min(from.len()) {
            return wrong("levels longer than their page");
        }
        if !compressed || matches!(self.codec, Codec::None) {
            self.length = None;
            return if from.len() == length { Ok(()) } else { wrong("a page is not as long as it says") };
        }
        self.unpacked.grow(length);
        self.length = Some(length);
        let (first, rest) = self.unpacked[..length].split_at_mut(levels);
        first.copy_from_slice(&from[..levels]);
        // Nothing may have been compressed to nothing.
        if rest.is_empty() { Ok(()) } else { self.codec.decompress(&from[levels..], rest) }
    }

    /// The current page, once it is unpacked.
    #[inline]
    pub fn body(&self) -> &[u8] {
        match self.length {
            Some(length) => &self.unpacked[..length],
            None => self.window.at(&self.stored),
        }
    }
}

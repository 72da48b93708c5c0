//! Compression of pages (`Compression.md`).

use parquet::basic::Compression;

use super::fault::{Checked, wrong};

/// How the pages of a chunk are compressed.
pub enum Codec {
    None,
    Lz4,
    Snappy(snap::raw::Decoder),
    Zstd(Box<zstd::bulk::Decompressor<'static>>),
    /// The older frames of LZ4, which are left to the crate.
    Foreign,
}

impl Codec {
    pub fn new(compression: Compression) -> Checked<Self> {
        Ok(match compression {
            Compression::UNCOMPRESSED => Self::None,
            Compression::LZ4_RAW => Self::Lz4,
            Compression::SNAPPY => Self::Snappy(snap::raw::Decoder::new()),
            Compression::ZSTD(_) => Self::Zstd(Box::new(zstd::bulk::Decompressor::new()?)),
            Compression::LZ4 => Self::Foreign,
            other => return wrong(format!("is compressed as {other}, wanted LZ4, Snappy, zstd or nothing")),
        })
    }

    /// Refuse lengths that the codec cannot make of each other, before memory is taken for them.
    pub fn check_lengths(&self, compressed: usize, uncompressed: usize) -> Checked<()> {
        let (factor, more) = match self {
            Self::None => (1, 0),
            // A byte of length stands for 255; a copy of 3 bytes for 64.
            Self::Lz4 | Self::Snappy(_) => (255, 64),
            // A block of 4 bytes stands for 128 KiB of one byte; no other codec comes near it.
            Self::Zstd(_) | Self::Foreign => (1 << 15, 1 << 17),
        };
        if uncompressed > compressed.saturating_mul(factor).saturating_add(more) {
            return wrong(format!("{compressed} bytes cannot be {uncompressed}"));
        }
        Ok(())
    }

    /// Fill `to` exactly.
    pub fn decompress(&mut self, from: &[u8], to: &mut [u8]) -> Checked<()> {
        let done = match self {
            Self::Lz4 => lz4_flex::block::decompress_into(from, to).map_err(|e| e.to_string()),
            Self::Snappy(decoder) => decoder.decompress(from, to).map_err(|e| e.to_string()),
            Self::Zstd(decoder) => decoder.decompress_to_buffer(from, to).map_err(|e| e.to_string()),
            Self::None | Self::Foreign => Err("an unknown codec".to_string()),
        };
        match done {
            Ok(done) if done == to.len() => Ok(()),
            Ok(done) => wrong(format!("a page of {} bytes decompresses to {done}", to.len())),
            Err(problem) => wrong(format!("a page cannot be decompressed: {problem}")),
        }
    }
}

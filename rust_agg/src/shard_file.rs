//! A shard as the caller names it, and its bytes held to what is known of them.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;
use twox_hash::XxHash3_128;

use crate::buffer::Buffer;
use crate::error::{Error, Origin, Result};

/// Bytes that are read and hashed at a time.
const PIECE: usize = 1 << 18;

/// A file as the caller names it, with what it must hold where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What is known of it.
    pub known: Option<Known>,
}

/// What is known of a file before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its length in bytes.
    pub length: u64,
    /// The XXH3-128 of its bytes.
    pub digest: u128,
    /// Rows of its table.
    pub rows: u64,
}

impl ShardFile {
    /// Open it, and check its length where that is known.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened, [`Error::Data`] where it has another length.
    pub fn open(&self) -> Result<(File, u64)> {
        let file = File::open(&self.path).map_err(|error| Error::io(&self.path, error))?;
        let meta = file.metadata().map_err(|error| Error::io(&self.path, error))?;
        if meta.is_dir() {
            return Err(Error::io(&self.path, std::io::ErrorKind::IsADirectory.into()));
        }
        let found = meta.len();
        match self.known {
            Some(Known { length, .. }) if length != found => {
                Err(Origin::file(&self.path).error(&format!("has {found} bytes, wanted {length}")))
            }
            _ => Ok((file, found)),
        }
    }

    /// Check the digest, if it is known, and keep nothing. `go_on` is asked now and then.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Data`] where it differs, [`Error::Interrupted`].
    pub fn verify(&self, file: &mut File, go_on: &dyn Fn() -> bool) -> Result<()> {
        let Some(known) = self.known else { return Ok(()) };
        let mut digest = XxHash3_128::new();
        let mut piece = vec![0; PIECE];
        loop {
            let n = self.read(file, &mut piece, go_on)?;
            if n == 0 {
                return self.compare(digest.finish_128(), known.digest);
            }
            digest.write(&piece[..n]);
        }
    }

    /// Read all of it into `buffer`, check the digest of what was read, if it is known, and share it.
    ///
    /// # Errors
    /// Those of [`ShardFile::verify`].
    pub fn load(
        &self,
        file: &mut File,
        length: u64,
        buffer: &mut Buffer,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Bytes> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = buffer.room(length).map_err(|error| Error::io(&self.path, error))?;
        let mut digest = XxHash3_128::new();
        let mut read = 0;
        while read < length {
            let end = length.min(read + PIECE);
            let n = self.read(file, &mut bytes[read..end], go_on)?;
            if n == 0 {
                return Err(Origin::file(&self.path).error(&format!("has {read} bytes, wanted {length}")));
            }
            digest.write(&bytes[read..read + n]);
            read += n;
        }
        if let Some(known) = self.known {
            self.compare(digest.finish_128(), known.digest)?;
        }
        Ok(buffer.share(length))
    }

    fn read(&self, file: &mut File, into: &mut [u8], go_on: &dyn Fn() -> bool) -> Result<usize> {
        if !go_on() {
            return Err(Error::Interrupted);
        }
        file.read(into).map_err(|error| Error::io(&self.path, error))
    }

    fn compare(&self, found: u128, wanted: u128) -> Result<()> {
        if found == wanted {
            return Ok(());
        }
        let (found, wanted) = (found >> 80, wanted >> 80);
        Err(Origin::file(&self.path).error(&format!("has XXH3-128 {found:012x}…, wanted {wanted:012x}…")))
    }
}

/// The number that 32 hexadecimal digits of an XXH3-128 stand for.
///
/// # Errors
/// [`Error::Argument`] where it is anything else.
pub fn parse_digest(text: &str) -> Result<u128> {
    let wrong = || Error::Argument(format!("xxh3_128 must be 32 hexadecimal digits, found {text:?}"));
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    u128::from_str_radix(text, 16).map_err(|_| wrong())
}

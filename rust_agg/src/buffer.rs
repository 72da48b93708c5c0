//! Memory for whole shards, used again from shard to shard.
//!
//! It is mapped, and asked for in large pages where the system has them: a shard is some 20 MB, and taking that in pages
//! of 4 KiB costs a tenth as much as counting 10 M rows.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::MmapMut;

/// Memory is taken in steps of this: large pages have it.
const STEP: usize = 1 << 21;

/// Bytes that one shard after another is read into.
#[derive(Debug, Default)]
pub struct Buffer(Option<Arc<MmapMut>>);

/// What [`Bytes`] owns of a buffer.
struct Shared(Arc<MmapMut>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Buffer {
    /// Room for `length` bytes, with whatever was there before.
    ///
    /// # Errors
    /// That of the system, where it has no such memory.
    pub fn room(&mut self, length: usize) -> io::Result<&mut [u8]> {
        let fits = self.0.as_mut().and_then(Arc::get_mut).is_some_and(|mapped| mapped.len() >= length);
        if !fits {
            self.0 = None;
            self.0 = Some(Arc::new(map(length)?));
        }
        let mapped = self.0.as_mut().and_then(Arc::get_mut).map(|mapped| &mut mapped[..length]);
        mapped.ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// The first `length` bytes. Room can be had again once these are dropped.
    #[must_use]
    pub fn share(&self, length: usize) -> Bytes {
        match &self.0 {
            Some(mapped) => Bytes::from_owner(Shared(Arc::clone(mapped))).slice(..length),
            None => Bytes::new(),
        }
    }
}

fn map(length: usize) -> io::Result<MmapMut> {
    let length = length.max(1).checked_next_multiple_of(STEP).ok_or(io::ErrorKind::OutOfMemory)?;
    let mapped = MmapMut::map_anon(length)?;
    #[cfg(target_os = "linux")]
    {
        // Only a wish: without it the pages are small.
        let _ = mapped.advise(memmap2::Advice::HugePage);
    }
    Ok(mapped)
}

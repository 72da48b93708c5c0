//! Buffers that a thread keeps from one row group to the next. Fresh memory of this size comes from the
//! system page by page and goes back when it is freed, which costs a third as much as decoding all that is
//! put into it.

use std::cell::RefCell;
use std::mem::take;
use std::ops::{Deref, DerefMut};

/// Two for each column of `traces`.
const MOST: usize = 22;
/// Longer ones are given back to the system.
const LONGEST: usize = 1 << 21;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes of whatever was there before.
pub struct Buffer(Vec<u8>);

impl Buffer {
    pub fn new() -> Self {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        Self(spare.ok().flatten().unwrap_or_default())
    }

    /// Have at least this many bytes.
    pub fn grow(&mut self, length: usize) {
        if self.0.len() < length {
            self.0.resize(length, 0);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = take(&mut self.0);
        if (1..=LONGEST).contains(&bytes.capacity()) {
            // A thread that is ending keeps nothing.
            let _ = SPARE.try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < MOST {
                    spare.push(bytes);
                }
            });
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

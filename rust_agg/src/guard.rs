//! Panics of the decoders that are used, turned into errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::error::{Error, Origin, Result};

/// The error for a file that cannot be read as what it should be.
pub fn damaged(origin: &Origin, what: &impl std::fmt::Display) -> Error {
    origin.error(&format!("damaged, or not a Parquet file ({what})"))
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}
static SILENCE: Once = Once::new();

/// Run `work`; a panic inside is an error that names `origin`, and prints nothing.
///
/// # Errors
/// Whatever `work` returns, or [`Error::Data`] where it panics.
pub fn guarded<T>(origin: &Origin, work: impl FnOnce() -> Result<T>) -> Result<T> {
    SILENCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                loud(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    result.unwrap_or_else(|panic| Err(origin.error(&format!("damaged ({})", panic_text(&*panic)))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the decoder gave up").to_string()
}

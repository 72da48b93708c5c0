//! One exception for each kind of error.

use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::error::{Error, Place};

pyo3::create_exception!(rust_agg, DataError, PyValueError, "Data that break the contract.");
pyo3::create_exception!(
    rust_agg,
    StateError,
    PyValueError,
    "States that differ, or one that cannot be read."
);

/// Add the exceptions to the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let data_error = py.get_type::<DataError>();
    // What is unknown is None, also on an exception that somebody else makes.
    for place in ["file", "row_group", "row", "column"] {
        data_error.setattr(place, py.None())?;
    }
    module.add("DataError", data_error)?;
    module.add("StateError", py.get_type::<StateError>())
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Argument(_) => PyValueError::new_err(message),
            Error::Data { place, .. } => located(DataError::new_err(message), &place),
            Error::State(_) => StateError::new_err(message),
            Error::Io { path, source } => match source.raw_os_error() {
                // With an errno, OSError picks its own subclass (FileNotFoundError, …).
                Some(errno) => {
                    let text = source.to_string();
                    let text = text.split(" (os error").next().unwrap_or_default().to_string();
                    PyOSError::new_err((errno, text, path.display().to_string()))
                }
                None => PyOSError::new_err(message),
            },
            Error::Threads { .. } => PyMemoryError::new_err(message),
            Error::Interrupted => PyKeyboardInterrupt::new_err(message),
        }
    }
}

/// Say on the exception where in the input something is wrong.
fn located(error: PyErr, place: &Place) -> PyErr {
    Python::attach(|py| {
        let value = error.value(py);
        let set = || {
            value.setattr("file", place.file.as_ref().map(|file| file.display().to_string()))?;
            value.setattr("row_group", place.row_group)?;
            value.setattr("row", place.row)?;
            value.setattr("column", place.column.as_deref())
        };
        // Attributes of an exception of our own can be set; if not, the sentence says it all.
        let _ = set();
    });
    error
}

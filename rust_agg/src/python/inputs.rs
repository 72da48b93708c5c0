//! What callers hand over: tables, streams, lists of files, names of parts.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use pyo3_arrow::input::AnyRecordBatch;

use super::settings::Shard;
use crate::error::Result;
use crate::feed::Source;
use crate::parts::Parts;
use crate::shard_file::ShardFile;

/// The parts that a caller names; all of them where it names none.
pub fn parts_of(names: Option<Vec<String>>) -> Result<Parts> {
    names.map_or_else(|| Ok(Parts::all()), |names| Parts::from_names(&names))
}

/// A table, or a stream of tables.
pub fn arrow_input(object: &Bound<'_, PyAny>, name: &str) -> PyResult<AnyRecordBatch> {
    let py = object.py();
    object.extract().map_err(|error: PyErr| {
        let ours = error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyValueError>(py);
        if !ours {
            // The object's own complaint, say that of a closed connection, is the one to hear.
            return error;
        }
        let kind = kind(object);
        let wrong = PyTypeError::new_err(format!("{name} must be an Arrow table or stream, found {kind}"));
        wrong.set_cause(py, Some(error));
        wrong
    })
}

/// Files, a table or a stream.
pub fn source(object: &Bound<'_, PyAny>, name: &str) -> PyResult<Source> {
    if object.hasattr("__arrow_c_stream__")? || object.hasattr("__arrow_c_array__")? {
        return Ok(Source::Stream(arrow_input(object, name)?.into_reader()?, n_rows(object)));
    }
    let wanted = |found: &str| {
        PyTypeError::new_err(format!(
            "{name} must be a list of paths or an Arrow table or stream, found {found}"
        ))
    };
    let wrong = || wanted(&kind(object));
    if object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>() {
        return Err(wrong());
    }
    let py = object.py();
    let files = object.try_iter().map_err(|_| wrong())?.map(|file| {
        // Some objects can be iterated over until one tries.
        let file =
            file.map_err(|error| if error.is_instance_of::<PyTypeError>(py) { wrong() } else { error })?;
        if let Ok(shard) = file.cast::<Shard>() {
            return Ok(shard.get().0.clone());
        }
        let path = file.extract().map_err(|_| wanted(&format!("{} in it", kind(&file))))?;
        Ok(ShardFile { path, known: None })
    });
    Ok(Source::Files(files.collect::<PyResult<Vec<_>>>()?))
}

/// The rows of a table that knows them: pyarrow says `num_rows`, polars `height`.
fn n_rows(object: &Bound<'_, PyAny>) -> Option<u64> {
    let mut known =
        ["num_rows", "height"].into_iter().filter_map(|name| object.getattr(name).ok()?.extract().ok());
    known.next()
}

/// The name of an object's type, for messages.
fn kind(object: &Bound<'_, PyAny>) -> String {
    object.get_type().qualname().map_or_else(|_| "another object".into(), |name| name.to_string())
}

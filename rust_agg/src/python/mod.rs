//! What Python sees: classes and functions that check their arguments, call the core without the interpreter lock, and
//! turn its errors into exceptions.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod errors;
mod fold;
mod histogram;
mod inputs;
mod replay;
mod settings;
mod state;
mod table;

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::parts::Parts;

/// Fill the module.
pub fn fill(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    #[cfg(debug_assertions)]
    PyErr::warn(
        py,
        &py.get_type::<pyo3::exceptions::PyRuntimeWarning>(),
        c"this is a debug build of rust_agg, many times slower than a release build",
        1,
    )?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("PARTS", PyTuple::new(py, Parts::all().names())?)?;
    errors::add(module)?;
    module.add_class::<settings::Grids>()?;
    module.add_class::<settings::Groups>()?;
    module.add_class::<settings::Shard>()?;
    module.add_class::<state::State>()?;
    module.add_class::<table::Table>()?;
    module.add_class::<histogram::Histogram>()?;
    module.add_class::<histogram::Axis>()?;
    module.add_class::<histogram::Traits>()?;
    module.add_class::<replay::Replay>()?;
    module.add_function(wrap_pyfunction!(fold::empty, module)?)?;
    module.add_function(wrap_pyfunction!(fold::fold, module)?)?;
    module.add_function(wrap_pyfunction!(replay::replay, module)?)?;
    module.add_function(wrap_pyfunction!(replay::replay_records, module)?)?;
    module.add_function(wrap_pyfunction!(replay::tail_lengths, module)?)
}

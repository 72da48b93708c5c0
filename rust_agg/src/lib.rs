//! Folds token records of speculative decoding by group, exact to the bit.
//!
//! This file is the Python surface: signatures and error mapping. All else is plain Rust and knows no Python. What
//! Python users read stands in `__init__.pyi`.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

pub mod cells;
pub mod columns;
pub mod error;
pub mod fold;
pub mod grid;
pub mod groups;
pub mod log_edges;
pub mod read;
pub mod run;
pub mod save;
pub mod state;
pub mod sums;
pub mod tables;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{ArrowError, DataType, Field};
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyString};
use pyo3_arrow::ffi::{ArrayIterator, to_stream_pycapsule};
use pyo3_arrow::input::AnyRecordBatch;

use crate::error::Error;
use crate::run::Source;
use crate::state::Setup;

pyo3::create_exception!(rust_agg, DataError, PyValueError, "Data that break the contract.");
pyo3::create_exception!(
    rust_agg,
    StateError,
    PyValueError,
    "States that differ, or one that cannot be read."
);

/// At most this often a progress callback is called.
const PROGRESS_EVERY: Duration = Duration::from_millis(300);

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Argument(_) => PyValueError::new_err(message),
            Error::Data(_) => DataError::new_err(message),
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
            Error::Interrupted => PyKeyboardInterrupt::new_err(message),
        }
    }
}

#[pyclass(module = "rust_agg", frozen, eq)]
#[derive(Clone, PartialEq)]
struct Grids(grid::Grids);

#[pymethods]
impl Grids {
    #[new]
    fn new(probability: Vec<f64>, difference: Vec<f64>, joint: Vec<f64>) -> PyResult<Self> {
        Ok(Self(grid::Grids::new(&probability, &difference, &joint)?))
    }

    #[getter]
    fn probability(&self) -> Vec<f64> {
        self.0.probability.edges().to_vec()
    }

    #[getter]
    fn difference(&self) -> Vec<f64> {
        self.0.difference.edges().to_vec()
    }

    #[getter]
    fn joint(&self) -> Vec<f64> {
        self.0.joint.edges().to_vec()
    }

    #[getter]
    #[allow(clippy::unused_self, reason = "a property in Python")]
    fn log_ratio(&self) -> Vec<f64> {
        log_edges::log_edges().to_vec()
    }

    fn __repr__(&self) -> String {
        let grid::Grids { probability, difference, joint } = &self.0;
        let (p, d, j) = (probability.n_bins(), difference.n_bins(), joint.n_bins());
        format!("Grids({p} bins of p and of q, {d} of p - q, {j} x {j} of both)")
    }
}

#[pyclass(module = "rust_agg", frozen, eq)]
#[derive(Clone, PartialEq)]
struct Groups(Arc<groups::Groups>);

#[pymethods]
impl Groups {
    #[new]
    fn new(table: &Bound<'_, PyAny>, group_names: Vec<String>, unit_names: Vec<String>) -> PyResult<Self> {
        let reader = arrow_input(table, "groups")?.into_reader()?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, ArrowError>>();
        let batches = batches.map_err(|error| DataError::new_err(format!("groups: {error}")))?;
        let rows = columns::memberships(&batches, &schema)?;
        Ok(Self(Arc::new(groups::Groups::new(group_names, unit_names, rows)?)))
    }

    #[getter]
    fn group_names(&self) -> Vec<String> {
        self.0.group_names().to_vec()
    }

    #[getter]
    fn unit_names(&self) -> Vec<String> {
        self.0.unit_names().to_vec()
    }

    fn __repr__(&self) -> String {
        let (prompts, rows) = (self.0.prompts().len(), self.0.rows().len());
        format!("Groups({} groups, {prompts} prompts, {rows} rows)", self.0.group_names().len())
    }
}

#[pyclass(module = "rust_agg", frozen)]
struct Table(RecordBatch);

#[pymethods]
impl Table {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let field = Field::new("", DataType::Struct(self.0.schema().fields().clone()), false);
        let rows: ArrayRef = Arc::new(StructArray::from(self.0.clone()));
        let reader = ArrayIterator::new(vec![Ok(rows)], Arc::new(field));
        Ok(to_stream_pycapsule(py, Box::new(reader), requested_schema)?)
    }

    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.0.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    fn __len__(&self) -> usize {
        self.0.num_rows()
    }

    fn __repr__(&self) -> String {
        format!("Table({} rows: {})", self.0.num_rows(), self.column_names().join(", "))
    }
}

#[pyclass(module = "rust_agg", eq)]
#[derive(Clone, PartialEq)]
struct State(state::State);

impl State {
    fn table(
        &self,
        py: Python<'_>,
        make: fn(&state::State) -> error::Result<RecordBatch>,
    ) -> PyResult<Table> {
        Ok(Table(py.detach(|| make(&self.0))?))
    }
}

#[pymethods]
impl State {
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Ok(Self(py.detach(|| state::State::load(&path))?))
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        Ok(py.detach(|| self.0.save(&path))?)
    }

    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(Self(state::State::from_bytes(data, "bytes")?))
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.0.to_bytes()))
    }

    fn merge(slf: &Bound<'_, Self>, other: &Bound<'_, Self>) -> PyResult<()> {
        let copy = slf.is(other).then(|| slf.borrow().clone());
        let mut state = slf.borrow_mut();
        match copy {
            Some(copy) => state.0.merge(&copy.0)?,
            None => state.0.merge(&other.borrow().0)?,
        }
        Ok(())
    }

    fn __add__(&self, other: PyRef<'_, Self>) -> PyResult<Self> {
        let mut sum = self.0.clone();
        sum.merge(&other.0)?;
        Ok(Self(sum))
    }

    #[getter]
    fn group_names(&self) -> Vec<String> {
        self.0.setup().groups.group_names().to_vec()
    }

    #[getter]
    fn unit_names(&self) -> Vec<String> {
        self.0.setup().groups.unit_names().to_vec()
    }

    #[getter]
    fn grids(&self) -> Grids {
        Grids(self.0.setup().grids.clone())
    }

    #[getter]
    fn over_confident_ratio(&self) -> f64 {
        self.0.setup().over_confident_ratio
    }

    #[getter]
    fn n_rows(&self) -> u64 {
        self.0.n_rows()
    }

    #[getter]
    fn n_rows_unmapped(&self) -> u64 {
        self.0.n_rows_unmapped()
    }

    #[getter]
    fn n_rounds(&self) -> u64 {
        self.0.n_rounds()
    }

    #[getter]
    fn n_rounds_unmapped(&self) -> u64 {
        self.0.n_rounds_unmapped()
    }

    fn histograms(&self, py: Python<'_>) -> PyResult<Table> {
        self.table(py, state::State::histograms)
    }

    fn joint_histogram(&self, py: Python<'_>) -> PyResult<Table> {
        self.table(py, state::State::joint_histogram)
    }

    fn positions(&self, py: Python<'_>) -> PyResult<Table> {
        self.table(py, state::State::positions)
    }

    fn unit_histograms(&self, py: Python<'_>) -> PyResult<Table> {
        self.table(py, state::State::unit_histograms)
    }

    fn prompts(&self, py: Python<'_>) -> PyResult<Table> {
        self.table(py, state::State::prompts)
    }

    fn prompt_positions(&self, py: Python<'_>) -> PyResult<Table> {
        self.table(py, state::State::prompt_positions)
    }

    fn tokens(&self, py: Python<'_>) -> PyResult<Table> {
        self.table(py, state::State::tokens)
    }

    fn calibration(&self, py: Python<'_>) -> PyResult<Table> {
        self.table(py, state::State::calibration)
    }

    fn __repr__(&self) -> String {
        format!("State({} rows, {} rounds)", self.0.n_rows(), self.0.n_rounds())
    }
}

#[pyfunction]
#[pyo3(signature = (groups, *, grids, over_confident_ratio = 2.0))]
fn empty(groups: &Groups, grids: &Grids, over_confident_ratio: f64) -> PyResult<State> {
    let setup = Setup::new(grids.0.clone(), Arc::clone(&groups.0), over_confident_ratio)?;
    Ok(State(state::State::empty(Arc::new(setup))))
}

#[pyfunction]
#[pyo3(name = "fold", signature = (traces, rounds, groups, *, grids, over_confident_ratio = 2.0, threads = None, progress = None))]
#[allow(clippy::too_many_arguments, reason = "keyword-only in Python")]
fn py_fold(
    py: Python<'_>,
    traces: &Bound<'_, PyAny>,
    rounds: Option<&Bound<'_, PyAny>>,
    groups: &Groups,
    grids: &Grids,
    over_confident_ratio: f64,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<State> {
    let setup = Arc::new(Setup::new(grids.0.clone(), Arc::clone(&groups.0), over_confident_ratio)?);
    if threads == Some(0) {
        return Err(PyValueError::new_err("threads must be at least 1, found 0"));
    }
    let threads = threads.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    let traces = source(traces, "traces")?;
    let rounds = rounds.map(|rounds| source(rounds, "rounds")).transpose()?;
    let mut watch = Watch { progress, called: None, raised: None };
    let state = py.detach(|| run::fold(&setup, traces, rounds, threads, |done, all| watch.tick(done, all)));
    match watch.raised {
        Some(raised) => Err(raised),
        None => Ok(State(state?)),
    }
}

/// Looks after signals and the progress callback while a fold runs.
struct Watch {
    progress: Option<Py<PyAny>>,
    called: Option<(Instant, u64)>,
    raised: Option<PyErr>,
}

impl Watch {
    fn tick(&mut self, done: u64, all: Option<u64>) -> bool {
        let result = Python::attach(|py| {
            py.check_signals()?;
            let ended = all == Some(done);
            let due = self
                .called
                .is_none_or(|(when, before)| when.elapsed() >= PROGRESS_EVERY || (ended && before != done));
            let known = done > 0 || all.is_some();
            if let Some(progress) = self.progress.as_ref().filter(|_| due && known) {
                progress.call1(py, (done, all))?;
                self.called = Some((Instant::now(), done));
            }
            Ok(())
        });
        self.raised = result.err();
        self.raised.is_none()
    }
}

fn arrow_input(object: &Bound<'_, PyAny>, name: &str) -> PyResult<AnyRecordBatch> {
    let py = object.py();
    object.extract().map_err(|error: PyErr| {
        let wrong =
            PyTypeError::new_err(format!("{name} must be an Arrow table or stream, found {}", kind(object)));
        wrong.set_cause(py, Some(error));
        wrong
    })
}

/// The name of an object's type, for messages.
fn kind(object: &Bound<'_, PyAny>) -> String {
    object.get_type().qualname().map_or_else(|_| "another object".into(), |name| name.to_string())
}

fn source(object: &Bound<'_, PyAny>, name: &str) -> PyResult<Source> {
    if object.hasattr("__arrow_c_stream__")? || object.hasattr("__arrow_c_array__")? {
        let rows = object.getattr("num_rows").and_then(|rows| rows.extract()).ok();
        return Ok(Source::Stream(arrow_input(object, name)?.into_reader()?, rows));
    }
    let wrong = || {
        let kind = object.get_type();
        PyTypeError::new_err(format!(
            "{name} must be a list of paths or an Arrow table or stream, found {kind}"
        ))
    };
    if object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>() {
        return Err(wrong());
    }
    let paths = object.try_iter().map_err(|_| wrong())?;
    let paths = paths.map(|path| path?.extract().map_err(|_| wrong()));
    Ok(Source::Files(paths.collect::<PyResult<Vec<PathBuf>>>()?))
}

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    #[cfg(debug_assertions)]
    PyErr::warn(
        py,
        &py.get_type::<pyo3::exceptions::PyRuntimeWarning>(),
        c"this is a debug build of rust_agg, many times slower than a release build",
        1,
    )?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DataError", py.get_type::<DataError>())?;
    module.add("StateError", py.get_type::<StateError>())?;
    module.add_class::<Grids>()?;
    module.add_class::<Groups>()?;
    module.add_class::<State>()?;
    module.add_class::<Table>()?;
    module.add_function(wrap_pyfunction!(empty, module)?)?;
    module.add_function(wrap_pyfunction!(py_fold, module)?)
}

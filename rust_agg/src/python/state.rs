//! States: kept, merged, read out.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::histogram::Histogram;
use super::settings::{Grids, Groups};
use super::table::Table;
use crate::error::Result;
use crate::state;

/// Everything that a fold has counted.
#[pyclass(module = "rust_agg", eq)]
#[derive(Clone, PartialEq)]
pub struct State(pub state::State);

impl State {
    fn table(&self, py: Python<'_>, make: fn(&state::State) -> Result<RecordBatch>) -> PyResult<Table> {
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
    fn groups(&self) -> Groups {
        Groups(Arc::clone(&self.0.setup().groups))
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
    fn parts(&self) -> Vec<&'static str> {
        self.0.setup().parts.names()
    }

    #[getter]
    fn discarded(&self) -> &'static str {
        self.0.discarded().name()
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

    #[pyo3(signature = (quantity, *, group = None, verdict = None))]
    fn histogram(&self, quantity: &str, group: Option<&str>, verdict: Option<&str>) -> PyResult<Histogram> {
        Ok(Histogram(self.0.histogram(quantity, group, verdict)?))
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

    fn surer(&self, py: Python<'_>) -> PyResult<Table> {
        self.table(py, state::State::surer)
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

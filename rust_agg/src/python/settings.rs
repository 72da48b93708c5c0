//! What a fold is told beforehand.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::ArrowError;
use pyo3::prelude::*;

use super::errors::DataError;
use super::inputs::arrow_input;
use crate::shard_file::{Known, ShardFile, parse_digest};
use crate::{columns, grid, groups, log_edges};

/// Bin edges.
#[pyclass(module = "rust_agg", frozen, eq)]
#[derive(Clone, PartialEq)]
pub struct Grids(pub grid::Grids);

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

/// Which prompts belong to which groups and units.
#[pyclass(module = "rust_agg", frozen, eq)]
#[derive(Clone, PartialEq)]
pub struct Groups(pub Arc<groups::Groups>);

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

/// A file with its length and digest.
#[pyclass(module = "rust_agg", frozen, eq)]
#[derive(Clone, PartialEq)]
pub struct Shard(pub ShardFile);

#[pymethods]
impl Shard {
    #[new]
    #[pyo3(signature = (path, *, length, xxh3_128, rows))]
    fn new(path: PathBuf, length: u64, xxh3_128: &str, rows: u64) -> PyResult<Self> {
        let digest = parse_digest(xxh3_128)?;
        Ok(Self(ShardFile { path, known: Some(Known { length, digest, rows }) }))
    }

    #[getter]
    fn path(&self) -> PathBuf {
        self.0.path.clone()
    }

    fn __repr__(&self) -> String {
        format!("Shard({:?})", self.0.path.display().to_string())
    }
}

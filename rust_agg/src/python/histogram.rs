//! Histograms in the UHI protocol. `numpy` is imported when an array is asked for, and not before.

use pyo3::exceptions::{PyIndexError, PyOverflowError};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyByteArray, PyDict, PyIterator, PyList, PyTuple};

use crate::histogram::{self, Bins};

/// What kind of axis it is.
#[pyclass(module = "rust_agg", frozen, eq)]
#[derive(Clone, PartialEq)]
pub struct Traits {
    discrete: bool,
}

#[pymethods]
impl Traits {
    #[getter]
    #[allow(clippy::unused_self, reason = "a property in Python")]
    fn circular(&self) -> bool {
        false
    }

    #[getter]
    fn discrete(&self) -> bool {
        self.discrete
    }
}

/// One axis.
#[pyclass(module = "rust_agg", frozen, eq)]
#[derive(Clone, PartialEq)]
pub struct Axis(histogram::Axis);

#[pymethods]
impl Axis {
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name
    }

    #[getter]
    fn label(&self) -> &'static str {
        self.0.label
    }

    #[getter]
    fn traits(&self) -> Traits {
        Traits { discrete: matches!(self.0.bins, Bins::Names(_)) }
    }

    #[getter]
    fn edges<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let edges: Vec<f64> = match &self.0.bins {
            Bins::Edges { edges, .. } => edges.clone(),
            // As boost-histogram has it for categories.
            Bins::Names(names) => (0_u32..).take(names.len() + 1).map(f64::from).collect(),
        };
        py.import("numpy")?.call_method1("array", (edges, "float64"))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let n = self.0.len();
        let at = if index < 0 { n.checked_add_signed(index) } else { usize::try_from(index).ok() };
        let wrong = || PyIndexError::new_err(format!("bin {index} of an axis of {n}"));
        let at = at.filter(|at| *at < n).ok_or_else(wrong)?;
        Ok(match &self.0.bins {
            Bins::Names(names) => (&names[at]).into_pyobject(py)?.into_any(),
            Bins::Edges { edges, .. } => (edges[at], edges[at + 1]).into_pyobject(py)?.into_any(),
        })
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let bins = (0..self.0.len().cast_signed()).map(|at| self.__getitem__(py, at));
        PyList::new(py, bins.collect::<PyResult<Vec<_>>>()?)?.try_iter()
    }

    fn __repr__(&self) -> String {
        format!("Axis({:?}, {} bins)", self.0.name, self.0.len())
    }
}

impl Axis {
    /// The axis as UHI writes it.
    fn to_uhi<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let axis = PyDict::new(py);
        match &self.0.bins {
            Bins::Names(names) => {
                axis.set_item("type", "category_str")?;
                axis.set_item("categories", names)?;
                axis.set_item("flow", false)?;
            }
            Bins::Edges { flow, .. } => {
                axis.set_item("type", "variable")?;
                axis.set_item("edges", self.edges(py)?)?;
                axis.set_item("underflow", flow)?;
                axis.set_item("overflow", flow)?;
                axis.set_item("circular", false)?;
            }
        }
        let metadata = PyDict::new(py);
        metadata.set_item("name", self.0.name)?;
        metadata.set_item("label", self.0.label)?;
        axis.set_item("metadata", metadata)?;
        Ok(axis)
    }
}

/// A histogram.
#[pyclass(module = "rust_agg", frozen, eq)]
#[derive(Clone, PartialEq)]
pub struct Histogram(pub histogram::Histogram);

#[pymethods]
impl Histogram {
    #[getter]
    #[allow(clippy::unused_self, reason = "a property in Python")]
    fn kind(&self) -> &'static str {
        "COUNT"
    }

    #[getter]
    fn axes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.axes().iter().cloned().map(Axis))
    }

    #[pyo3(signature = (flow = false))]
    fn values<'py>(&self, py: Python<'py>, flow: bool) -> PyResult<Bound<'py, PyAny>> {
        let mut bytes = Vec::new();
        for count in self.0.counts(flow) {
            let wrong = |_| PyOverflowError::new_err(format!("a count of {count} exceeds int64"));
            bytes.extend(i64::try_from(count).map_err(wrong)?.to_ne_bytes());
        }
        let numpy = py.import("numpy")?;
        let flat = numpy.call_method1("frombuffer", (PyByteArray::new(py, &bytes), "int64"))?;
        flat.call_method1("reshape", (PyTuple::new(py, self.0.shape(flow))?,))
    }

    #[pyo3(signature = (flow = false))]
    fn variances<'py>(&self, py: Python<'py>, flow: bool) -> PyResult<Bound<'py, PyAny>> {
        self.values(py, flow)
    }

    #[pyo3(signature = (flow = false))]
    fn counts<'py>(&self, py: Python<'py>, flow: bool) -> PyResult<Bound<'py, PyAny>> {
        self.values(py, flow)
    }

    /// What newer hist and boost-histogram ask for.
    #[pyo3(name = "_to_uhi_")]
    fn to_uhi<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let storage = PyDict::new(py);
        storage.set_item("type", "int")?;
        storage.set_item("values", self.values(py, true)?)?;
        let version = [("version", env!("CARGO_PKG_VERSION"))].into_py_dict(py)?;
        let axes = self.0.axes().iter().cloned().map(|axis| Axis(axis).to_uhi(py));
        let histogram = PyDict::new(py);
        histogram.set_item("uhi_schema", 1)?;
        histogram.set_item("writer_info", [("rust_agg", version)].into_py_dict(py)?)?;
        histogram.set_item("axes", axes.collect::<PyResult<Vec<_>>>()?)?;
        histogram.set_item("storage", storage)?;
        histogram.set_item("metadata", PyDict::new(py))?;
        Ok(histogram)
    }

    /// What older ones ask for, and boost-histogram itself up to 1.8.1.
    #[pyo3(name = "_to_boost_histogram_")]
    fn to_boost_histogram<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("boost_histogram.serialization")?.call_method1("from_uhi", (self.to_uhi(py)?,))
    }

    fn __repr__(&self) -> String {
        let axes: Vec<_> = self.0.axes().iter().map(|axis| format!("{} {}", axis.len(), axis.name)).collect();
        format!("Histogram({})", axes.join(" x "))
    }
}

//! Replays, watched from Python.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};

use super::fold::{threads_of, watched};
use super::inputs::{parts_of, source};
use super::settings::{Grids, Groups};
use super::state::State;
use super::table::Table;
use crate::replay::schedule::{Kind, Setting};
use crate::replay::task::Task;
use crate::replay::{fold, lengths, records};
use crate::state::Setup;

/// A schedule with its numbers.
#[pyclass(module = "rust_agg", frozen, eq, hash)]
#[derive(Clone, PartialEq)]
pub struct Replay(Setting);

impl Hash for Replay {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Setting { kind, gamma, threshold, max_new_tokens, order } = &self.0;
        (kind, gamma, threshold.to_bits(), max_new_tokens, order).hash(state);
    }
}

#[pymethods]
impl Replay {
    #[new]
    #[pyo3(signature = (
        schedule, num_assistant_tokens, *, confidence_threshold = 0.0, max_new_tokens = None, order = None
    ))]
    fn new(
        schedule: &str,
        num_assistant_tokens: u64,
        confidence_threshold: f64,
        max_new_tokens: Option<u64>,
        order: Option<Vec<u64>>,
    ) -> PyResult<Self> {
        let kind = Kind::from_name(schedule)?;
        Ok(Self(Setting::new(kind, num_assistant_tokens, confidence_threshold, max_new_tokens, order)?))
    }

    #[getter]
    fn schedule(&self) -> &'static str {
        self.0.kind.name()
    }

    #[getter]
    fn num_assistant_tokens(&self) -> u32 {
        self.0.gamma
    }

    #[getter]
    fn confidence_threshold(&self) -> f64 {
        self.0.threshold
    }

    #[getter]
    fn max_new_tokens(&self) -> Option<u32> {
        self.0.max_new_tokens
    }

    #[getter]
    fn order(&self) -> Option<Vec<u64>> {
        self.0.order.as_ref().map(|order| order.to_vec())
    }

    fn __repr__(&self) -> String {
        let Setting { kind, gamma, threshold, max_new_tokens, order } = &self.0;
        let mut said = vec![format!("{:?}", kind.name()), gamma.to_string()];
        if *threshold > 0.0 {
            said.push(format!("confidence_threshold={threshold}"));
        }
        said.extend(max_new_tokens.map(|n| format!("max_new_tokens={n}")));
        said.extend(order.as_ref().map(|order| format!("order of {} prompts", order.len())));
        format!("Replay({})", said.join(", "))
    }
}

#[pyfunction]
#[pyo3(signature = (
    paths, settings, groups, *, max_new_tokens, eos, tails = None, grids, parts = None, over_confident_ratio = 2.0,
    threads = None, progress = None
))]
#[allow(clippy::too_many_arguments, reason = "keyword-only in Python")]
pub fn replay<'py>(
    py: Python<'py>,
    paths: &Bound<'py, PyAny>,
    settings: &Bound<'py, PyAny>,
    groups: &Groups,
    max_new_tokens: u64,
    eos: Vec<u32>,
    tails: Option<&Bound<'py, PyAny>>,
    grids: &Grids,
    parts: Option<Vec<String>>,
    over_confident_ratio: f64,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let parts = parts_of(parts)?;
    let setup = Arc::new(Setup::new(grids.0.clone(), Arc::clone(&groups.0), over_confident_ratio, parts)?);
    let threads = threads_of(threads)?;
    let settings = named(settings)?;
    let names: Vec<String> = settings.iter().map(|(name, _)| name.clone()).collect();
    let task = Task::new(max_new_tokens, eos, settings)?;
    let paths = source(paths, "paths")?;
    let tails = tails.map(|tails| source(tails, "tails")).transpose()?;
    let states = watched(py, progress, |tick| fold::fold(&setup, &task, paths, tails, threads, tick))?;
    let by_name = PyDict::new(py);
    for (name, state) in names.into_iter().zip(states) {
        by_name.set_item(name, State(state))?;
    }
    Ok(by_name)
}

#[pyfunction]
#[pyo3(signature = (paths, setting, *, max_new_tokens, eos, tails = None))]
pub fn replay_records(
    py: Python<'_>,
    paths: &Bound<'_, PyAny>,
    setting: &Replay,
    max_new_tokens: u64,
    eos: Vec<u32>,
    tails: Option<&Bound<'_, PyAny>>,
) -> PyResult<(Table, Table)> {
    let task = Task::new(max_new_tokens, eos, vec![(setting.__repr__(), setting.0.clone())])?;
    let paths = source(paths, "paths")?;
    let tails = tails.map(|tails| source(tails, "tails")).transpose()?;
    let (traces, rounds) = watched(py, None, |tick| records::records(&task, paths, tails, tick))?;
    Ok((Table(traces), Table(rounds)))
}

#[pyfunction]
#[pyo3(signature = (paths, settings, *, max_new_tokens, eos))]
pub fn tail_lengths(
    py: Python<'_>,
    paths: &Bound<'_, PyAny>,
    settings: Vec<Bound<'_, Replay>>,
    max_new_tokens: u64,
    eos: Vec<u32>,
) -> PyResult<Table> {
    let settings = settings.iter().map(|setting| (setting.get().__repr__(), setting.get().0.clone()));
    let task = Task::new(max_new_tokens, eos, settings.collect())?;
    let paths = source(paths, "paths")?;
    Ok(Table(watched(py, None, |tick| lengths::tail_lengths(&task, paths, tick))?))
}

/// Settings by name, in the order of their mapping.
fn named(settings: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Setting)>> {
    let wanted = |found: &Bound<'_, PyAny>| {
        let kind =
            found.get_type().qualname().map_or_else(|_| "another object".into(), |name| name.to_string());
        PyTypeError::new_err(format!("settings must be a mapping from names to Replay, found {kind}"))
    };
    let mapping = settings.cast::<PyMapping>().map_err(|_| wanted(settings))?;
    let mut named = Vec::new();
    for item in mapping.items()?.iter() {
        let (name, setting): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let replay = setting.cast::<Replay>().map_err(|_| wanted(&setting))?;
        named.push((name.extract().map_err(|_| wanted(&name))?, replay.get().0.clone()));
    }
    Ok(named)
}

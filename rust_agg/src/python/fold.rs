//! The fold, watched from Python.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::inputs::{parts_of, source};
use super::settings::{Grids, Groups};
use super::state::State;
use crate::error::Result;
use crate::state::Setup;
use crate::{run, state};

/// At most this often a progress callback is called.
const PROGRESS_EVERY: Duration = Duration::from_millis(300);

#[pyfunction]
#[pyo3(signature = (groups, *, grids, parts = None, over_confident_ratio = 2.0))]
pub fn empty(
    groups: &Groups,
    grids: &Grids,
    parts: Option<Vec<String>>,
    over_confident_ratio: f64,
) -> PyResult<State> {
    let setup = Setup::new(grids.0.clone(), Arc::clone(&groups.0), over_confident_ratio, parts_of(parts)?)?;
    Ok(State(state::State::empty(Arc::new(setup))))
}

#[pyfunction]
#[pyo3(signature = (
    traces, rounds, groups, *, grids, parts = None, over_confident_ratio = 2.0, threads = None, progress = None
))]
#[allow(clippy::too_many_arguments, reason = "keyword-only in Python")]
pub fn fold(
    py: Python<'_>,
    traces: &Bound<'_, PyAny>,
    rounds: Option<&Bound<'_, PyAny>>,
    groups: &Groups,
    grids: &Grids,
    parts: Option<Vec<String>>,
    over_confident_ratio: f64,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<State> {
    let parts = parts_of(parts)?;
    let setup = Arc::new(Setup::new(grids.0.clone(), Arc::clone(&groups.0), over_confident_ratio, parts)?);
    let threads = threads_of(threads)?;
    let traces = source(traces, "traces")?;
    let rounds = rounds.map(|rounds| source(rounds, "rounds")).transpose()?;
    let state = watched(py, progress, |tick| run::fold(&setup, traces, rounds, threads, tick))?;
    Ok(State(state))
}

/// The number of threads that a caller asks for; all cores where it does not say.
pub fn threads_of(threads: Option<usize>) -> PyResult<usize> {
    if threads == Some(0) {
        return Err(PyValueError::new_err("threads must be at least 1, found 0"));
    }
    let cores = || std::thread::available_parallelism().ok().map(Into::into);
    Ok(threads.or_else(cores).unwrap_or(1))
}

/// Run `work` without the interpreter lock, and give it what is to be asked while it runs.
pub fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&mut dyn FnMut(u64, Option<u64>) -> bool) -> Result<T> + Send,
) -> PyResult<T> {
    let mut watch = Watch { progress, called: None, raised: None };
    let done = py.detach(|| work(&mut |done, all| watch.tick(done, all)));
    match watch.raised {
        Some(raised) => Err(raised),
        None => Ok(done?),
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

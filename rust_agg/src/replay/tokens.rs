//! The part tokens: rows of judged tokens, given to the counter of a fold. All rows once for each length, and for each
//! setting those that it skips, which are taken away at the end.

use std::ops::Range;
use std::sync::Arc;

use super::paths::{Path, Paths};
use crate::counter::Counter;
use crate::parts::Part;
use crate::rows::TraceColumns;
use crate::runs::KeyRun;
use crate::state::{Setup, State};
use crate::token_counts::TokenCounts;

/// Rows from which on they are counted.
const ROWS: usize = 1 << 13;

/// Tokens of all rows by length, and of those that are skipped by setting.
pub struct Tokens {
    setup: Arc<Setup>,
    all: Vec<Log>,
    skipped: Vec<Log>,
}

impl Tokens {
    /// Nothing was counted.
    #[must_use]
    pub fn new(setup: &Setup, n_lengths: usize, n_settings: usize) -> Self {
        let setup = Arc::new(setup.only(Part::Tokens));
        let logs = |n: usize| (0..n).map(|_| Log::new(&setup)).collect();
        Self { all: logs(n_lengths), skipped: logs(n_settings), setup }
    }

    /// Count rows of a path under a length.
    pub fn add_all(&mut self, length: usize, paths: &Paths, path: &Path, rows: Range<usize>) {
        self.all[length].add(paths, path, rows, &self.setup);
    }

    /// Count rows of a path that a setting skips.
    pub fn skip(&mut self, setting: usize, paths: &Paths, path: &Path, rows: &[u32]) {
        self.skipped[setting].add(paths, path, rows.iter().map(|row| *row as usize), &self.setup);
    }

    /// What was counted; begin anew.
    pub fn take(&mut self) -> Taken {
        let take = |logs: &mut Vec<Log>| logs.iter_mut().map(|log| log.take(&self.setup)).collect();
        Taken { all: take(&mut self.all), skipped: take(&mut self.skipped) }
    }
}

/// What was counted of all rows by length, and of those that are skipped by setting.
pub struct Taken {
    all: Vec<State>,
    skipped: Vec<State>,
}

impl Taken {
    /// Add what was counted for a setting, of which the length is given.
    pub fn give(&self, setting: usize, length: usize, state: &mut State) {
        let shelves = self.all[length].shelves.iter().zip(&self.skipped[setting].shelves);
        for (sums, (all, skipped)) in state.shelves.iter_mut().zip(shelves) {
            sums.tokens.merge(without(&all.tokens, &skipped.tokens));
        }
    }
}

/// Counts without others, which are among them.
fn without(all: &TokenCounts, others: &TokenCounts) -> TokenCounts {
    let (mut left, mut others) = (TokenCounts::default(), others.iter().peekable());
    for (prompt, token, counts) in all.iter() {
        let other = others.next_if(|other| (other.0, other.1) == (prompt, token));
        let other = other.map_or([0; 2], |other| other.2);
        let counts = [counts[0] - other[0], counts[1] - other[1]];
        if counts != [0; 2] {
            left.push(prompt, token, counts);
        }
    }
    left
}

/// Rows that wait to be counted, and those that were.
struct Log {
    counter: Counter,
    full: Option<State>,
    runs: Vec<KeyRun>,
    token: Vec<u32>,
    p: Vec<f32>,
    q: Vec<f32>,
    verdict: Vec<u8>,
}

impl Log {
    fn new(setup: &Arc<Setup>) -> Self {
        Self {
            counter: Counter::new(Arc::clone(setup)),
            full: None,
            runs: Vec::new(),
            token: Vec::new(),
            p: Vec::new(),
            q: Vec::new(),
            verdict: Vec::new(),
        }
    }

    fn add(&mut self, paths: &Paths, path: &Path, rows: impl Iterator<Item = usize>, setup: &Arc<Setup>) {
        for row in rows {
            self.token.push(paths.proposal[row]);
            self.p.push(paths.proposal_p[row]);
            self.q.push(paths.proposal_q[row]);
            self.verdict.push(paths.fate[row]);
        }
        let end = u32::try_from(self.token.len()).expect("few rows wait");
        if self.runs.last().is_none_or(|run| run.end < end) && end > 0 {
            self.runs.push(KeyRun { prompt: path.prompt, sample: path.sample, end });
        }
        if self.token.len() >= ROWS {
            self.count(setup);
        }
    }

    fn count(&mut self, setup: &Arc<Setup>) {
        if self.counter.is_full(self.token.len()) {
            self.flush(setup);
        }
        let columns = TraceColumns {
            position: &[],
            token: &self.token,
            p: &self.p,
            q: &self.q,
            overlap: &[],
            entropy: &[],
            verdict: &self.verdict,
        };
        let counted = self.counter.fold_traces(&self.runs, &columns);
        // They were checked as rows of the paths.
        debug_assert_eq!(counted, Ok(()));
        self.runs.clear();
        self.token.clear();
        self.p.clear();
        self.q.clear();
        self.verdict.clear();
    }

    fn flush(&mut self, setup: &Arc<Setup>) {
        self.counter.flush(self.full.get_or_insert_with(|| State::empty(Arc::clone(setup))));
    }

    fn take(&mut self, setup: &Arc<Setup>) -> State {
        self.count(setup);
        self.flush(setup);
        self.full.take().unwrap_or_else(|| State::empty(Arc::clone(setup)))
    }
}

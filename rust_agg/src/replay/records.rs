//! The rows of traces and rounds under one setting.

use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt8Array, UInt16Array, UInt32Array, UInt64Array};
use arrow_schema::{Field, Schema};

use super::carry::carried;
use super::drive::{Batch, Failure, drive};
use super::paths::Path;
use super::source::Pieces;
use super::tail_reader::Reader;
use super::tail_rows::Tails;
use super::tails::Store;
use super::task::Task;
use super::walk::{End, Round};
use crate::cells::DISCARDED;
use crate::columns::Table;
use crate::error::{Error, Result};
use crate::feed::Source;
use crate::parts::Parts;
use crate::run::lock;

#[derive(Default)]
struct Traces {
    prompt: Vec<u64>,
    sample: Vec<u16>,
    round: Vec<u16>,
    position: Vec<u16>,
    offset: Vec<u16>,
    token: Vec<u32>,
    p: Vec<f32>,
    q: Vec<f32>,
    overlap: Vec<f32>,
    entropy: Vec<f32>,
    verdict: Vec<u8>,
}

#[derive(Default)]
struct Rounds {
    prompt: Vec<u64>,
    sample: Vec<u16>,
    round: Vec<u16>,
    requested: Vec<u16>,
    drafted: Vec<u16>,
    accepted: Vec<u16>,
    emitted: Vec<u16>,
    next_token: Vec<Option<u32>>,
    next_p: Vec<Option<f32>>,
    censored: Vec<u8>,
}

#[derive(Default)]
struct Records {
    traces: Traces,
    rounds: Rounds,
}

/// The rows of `traces` and of `rounds` under the one setting of a task, path by path in the order of `paths`.
///
/// # Errors
/// Those of [`drive`], of [`Store`] and of [`carried`]; [`Error::Data`] where a tail is needed and missing, too short, or
/// without p.
pub fn records(
    task: &Task,
    paths: Source,
    tails: Option<Source>,
    mut tick: impl FnMut(u64, Option<u64>) -> bool,
) -> Result<(RecordBatch, RecordBatch)> {
    let store = tails.map(|tails| Store::new(tails, 1, &mut tick)).transpose()?;
    let (carried, paths) = carried(task, paths, 1, &mut tick)?;
    let pieces = Pieces::new(paths, Parts::all(), 1, &mut tick)?;
    let records: Mutex<Records> = Mutex::default();
    drive(
        &pieces,
        task.rules(),
        1,
        || (store.as_ref().map(Reader::new), Tails::default(), Vec::new(), Vec::new()),
        |(reader, tails, stops, rounds), batch| {
            let mut failed = None;
            match reader {
                Some(reader) => failed = reader.read(batch, &task.eos, &task.thresholds, tails).err(),
                None => tails.begin(batch.paths.n_rows(), task.thresholds.len()),
            }
            task.find_stops(batch, stops);
            let end = failed.as_ref().map_or(usize::MAX, Failure::row);
            let mut records = lock(&records);
            for path in batch.paths.iter().take_while(|path| path.rows.end <= end) {
                let gamma = carried.gamma(0, &path).unwrap_or(task.settings[0].setting.gamma);
                task.walk(0, gamma, batch, &path, stops, rounds)?;
                records.push(task, batch, &path, rounds, tails)?;
            }
            failed.map_or(Ok(()), Err)
        },
        |_| (),
        tick,
    )?;
    if let Some(store) = &store {
        store.check_used()?;
    }
    let Records { traces, rounds } = std::mem::take(&mut *lock(&records));
    Ok((traces.finish()?, rounds.finish()?))
}

impl Records {
    fn push(
        &mut self,
        task: &Task,
        batch: &Batch<'_>,
        path: &Path,
        rounds: &[Round],
        tails: &Tails,
    ) -> std::result::Result<(), Failure> {
        for (at, round) in (0..).zip(rounds) {
            let row = path.rows.start + round.next() as usize;
            let (mut discarded, mut ends) = (0..0, false);
            if round.room() > 0 {
                let found = tails.discarded(row, round.room(), task.settings[0].threshold);
                let short = |found| task.short_tail(batch, path, row, found, round.room(), 0);
                let found = found.map_err(short)?;
                if tails.lack_p(&found.rows) {
                    let offset = row - path.rows.start;
                    let problem = format!(
                        "rejected, and p is NaN in its tail after prompt {}, sample {} at offset {offset}, wanted for \
                         records",
                        path.prompt, path.sample
                    );
                    return Err(batch.fault(row, "fate", problem));
                }
                (discarded, ends) = (found.rows, found.ends_in_eos);
            } else if round.end == End::RejectedLast {
                ends = batch.ends[row];
            }
            let n = u32::try_from(discarded.len()).unwrap_or(u32::MAX);
            self.traces.push(batch, path, at, *round, tails, discarded);
            self.rounds.push(batch, path, at, *round, n, ends);
        }
        Ok(())
    }
}

#[allow(clippy::cast_possible_truncation, reason = "offsets and positions have 16 bits")]
impl Traces {
    fn push(
        &mut self,
        batch: &Batch<'_>,
        path: &Path,
        at: u16,
        round: Round,
        tails: &Tails,
        discarded: std::ops::Range<usize>,
    ) {
        let paths = batch.paths;
        let first = path.rows.start + usize::from(round.start);
        let judged = first..first + round.judged() as usize;
        self.token.extend_from_slice(&paths.proposal[judged.clone()]);
        self.p.extend_from_slice(&paths.proposal_p[judged.clone()]);
        self.q.extend_from_slice(&paths.proposal_q[judged.clone()]);
        self.overlap.extend_from_slice(&paths.overlap[judged.clone()]);
        self.entropy.extend_from_slice(&paths.entropy[judged.clone()]);
        self.verdict.extend_from_slice(&paths.fate[judged]);
        self.token.extend_from_slice(&tails.token[discarded.clone()]);
        self.p.extend_from_slice(&tails.p[discarded.clone()]);
        self.q.extend_from_slice(&tails.q[discarded]);
        let (before, end) = (self.prompt.len(), self.token.len());
        self.overlap.resize(end, f32::NAN);
        self.entropy.resize(end, f32::NAN);
        self.verdict.resize(end, DISCARDED as u8);
        self.prompt.resize(end, path.prompt);
        self.sample.resize(end, path.sample);
        self.round.resize(end, at);
        let n = (end - before) as u16;
        self.position.extend(1..=n);
        self.offset.extend((0..n).map(|position| round.start + position));
    }

    fn finish(self) -> Result<RecordBatch> {
        table(
            Table::Traces,
            vec![
                Arc::new(UInt64Array::from(self.prompt)),
                Arc::new(UInt16Array::from(self.sample)),
                Arc::new(UInt16Array::from(self.round)),
                Arc::new(UInt16Array::from(self.position)),
                Arc::new(UInt16Array::from(self.offset)),
                Arc::new(UInt32Array::from(self.token)),
                Arc::new(Float32Array::from(self.p)),
                Arc::new(Float32Array::from(self.q)),
                Arc::new(Float32Array::from(self.overlap)),
                Arc::new(Float32Array::from(self.entropy)),
                Arc::new(UInt8Array::from(self.verdict)),
            ],
        )
    }
}

#[allow(clippy::cast_possible_truncation, reason = "counts of a round have 16 bits")]
impl Rounds {
    fn push(
        &mut self,
        batch: &Batch<'_>,
        path: &Path,
        at: u16,
        round: Round,
        n_discarded: u32,
        ends_in_eos: bool,
    ) {
        let next = round.has_next().then(|| path.rows.start + round.next() as usize);
        self.prompt.push(path.prompt);
        self.sample.push(path.sample);
        self.round.push(at);
        self.requested.push(round.requested);
        self.drafted.push((round.judged() + n_discarded) as u16);
        self.accepted.push(round.accepted);
        self.emitted.push(round.emitted() as u16);
        self.next_token.push(next.map(|row| batch.paths.token[row]));
        self.next_p.push(next.map(|row| batch.paths.p[row]));
        self.censored.push(round.censored(n_discarded, ends_in_eos));
    }

    fn finish(self) -> Result<RecordBatch> {
        table(
            Table::Rounds,
            vec![
                Arc::new(UInt64Array::from(self.prompt)),
                Arc::new(UInt16Array::from(self.sample)),
                Arc::new(UInt16Array::from(self.round)),
                Arc::new(UInt16Array::from(self.requested)),
                Arc::new(UInt16Array::from(self.drafted)),
                Arc::new(UInt16Array::from(self.accepted)),
                Arc::new(UInt16Array::from(self.emitted)),
                Arc::new(UInt32Array::from(self.next_token)),
                Arc::new(Float32Array::from(self.next_p)),
                Arc::new(UInt8Array::from(self.censored)),
            ],
        )
    }
}

fn table(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let fields =
        table.columns().iter().map(|column| Field::new(column.name, column.dtype.clone(), column.nullable));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns)
        .map_err(|error| Error::data(format!("a table cannot be made: {error}")))
}

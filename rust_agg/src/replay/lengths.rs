//! Which tails settings need, and how long.

use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, RecordBatch, UInt16Array, UInt64Array};

use super::carry::carried;
use super::drive::drive;
use super::source::Pieces;
use super::task::Task;
use crate::error::{Error, Result};
use crate::feed::Source;
use crate::parts::Part;
use crate::run::lock;

#[derive(Default)]
struct Lengths {
    prompt: Vec<u64>,
    sample: Vec<u16>,
    start: Vec<u16>,
    length: Vec<u16>,
}

/// `prompt, sample, start, length`: for each rejected proposal after which some setting may discard tokens, in the order
/// of the paths, the most that any of the settings can.
///
/// # Errors
/// Those of [`drive`] and of [`carried`].
pub fn tail_lengths(
    task: &Task,
    paths: Source,
    mut tick: impl FnMut(u64, Option<u64>) -> bool,
) -> Result<RecordBatch> {
    let (carried, paths) = carried(task, paths, 1, &mut tick)?;
    let pieces = Pieces::new(paths, [Part::P].into_iter().collect(), 1, &mut tick)?;
    let all: Mutex<Lengths> = Mutex::default();
    drive(
        &pieces,
        task.rules(),
        1,
        || (Vec::new(), Vec::new(), Vec::new()),
        |(stops, rounds, most), batch| {
            task.find_stops(batch, stops);
            let mut lengths = lock(&all);
            for path in batch.paths.iter() {
                most.clear();
                most.resize(path.rows.len(), 0);
                for (setting, named) in task.settings.iter().enumerate() {
                    let gamma = carried.gamma(setting, &path).unwrap_or(named.setting.gamma);
                    task.walk(setting, gamma, batch, &path, stops, rounds)?;
                    for round in rounds.iter().filter(|round| round.room() > 0) {
                        let most = &mut most[round.next() as usize];
                        *most = round.room().max(*most);
                    }
                }
                for (start, most) in (0..).zip(&*most).filter(|(_, most)| **most > 0) {
                    lengths.prompt.push(path.prompt);
                    lengths.sample.push(path.sample);
                    lengths.start.push(start);
                    lengths.length.push(u16::try_from(*most).unwrap_or(u16::MAX));
                }
            }
            Ok(())
        },
        |_| (),
        tick,
    )?;
    let Lengths { prompt, sample, start, length } = std::mem::take(&mut *lock(&all));
    let u16s = |values| Arc::new(UInt16Array::from(values)) as ArrayRef;
    let columns: [(&str, ArrayRef); 4] = [
        ("prompt", Arc::new(UInt64Array::from(prompt))),
        ("sample", u16s(sample)),
        ("start", u16s(start)),
        ("length", u16s(length)),
    ];
    RecordBatch::try_from_iter(columns)
        .map_err(|error| Error::data(format!("a table cannot be made: {error}")))
}

//! How fast paths are replayed: positions × settings per second on one thread, from Parquet shards.
//!
//! `cargo run --release --example replay_rate -- FOLDER [POSITIONS]` makes shards in FOLDER where there are none (10 M
//! positions, 96 tokens to a path, ten groups), and prints one line for each number of settings, set of parts and kind of
//! tails, with the highest resident memory. Three in four proposals are accepted. Rates are by processor time (Linux), so
//! that a busy machine spoils them less. Further arguments name lines to keep to, such as `"work counts"`.

#[path = "../benches/support/random.rs"]
mod random;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt16Type;
use arrow_array::{
    ArrayRef, Float32Array, RecordBatch, RecordBatchIterator, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::WriterProperties;
use random::Random;
use rust_agg::feed::Source;
use rust_agg::grid::{Grid, Grids};
use rust_agg::groups::{Groups, Membership};
use rust_agg::parts::{Part, Parts};
use rust_agg::replay::schedule::{Kind, Setting};
use rust_agg::replay::task::Task;
use rust_agg::replay::{fold, lengths};
use rust_agg::shard_file::ShardFile;
use rust_agg::state::Setup;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const LONGEST: u64 = 96;
const EOS: u32 = 0;
const PATHS_PER_SHARD: u64 = 2048;
const N_GROUPS: u32 = 10;
const WORK: [Part; 6] = [Part::P, Part::Q, Part::Difference, Part::Joint, Part::Positions, Part::Surer];

impl Random {
    /// A number in [0, 1).
    fn unit(&mut self) -> f32 {
        f32::from(u16::try_from(self.next() >> 48).unwrap_or_default()) / 65_536.0
    }

    fn token(&mut self) -> u32 {
        1 + u32::try_from(self.next() % 30_000).unwrap_or_default()
    }
}

/// Ids look like hashes.
fn prompt(index: u64) -> u64 {
    Random(index).next()
}

/// Sampled settings of a dense sweep, the first of which are spread over all.
fn settings(n: usize) -> Outcome<Vec<(String, Setting)>> {
    let mut all = Vec::new();
    for threshold in [0.0, 0.2, 0.4] {
        for gamma in 1..=30 {
            all.push(Setting::new(Kind::Constant, gamma, threshold, None, None)?);
        }
        for gamma in [3, 5, 10, 20] {
            all.push(Setting::new(Kind::Heuristic, gamma, threshold, None, None)?);
        }
    }
    let spread = (0..n).map(|at| all[(5 + at * 37) % all.len()].clone());
    Ok((0..).map(|at: usize| at.to_string()).zip(spread).collect())
}

fn paths(shard: u64) -> Outcome<RecordBatch> {
    let mut random = Random(shard);
    let (mut prompts, mut offsets) = (Vec::new(), Vec::new());
    let (mut tokens, mut proposals, mut fates) = (Vec::new(), Vec::new(), Vec::new());
    let mut floats: [Vec<f32>; 6] = Default::default();
    for path in 0..PATHS_PER_SHARD {
        for offset in 0..LONGEST {
            let accepted = random.unit() < 0.75;
            let (p, q) = (1.0 - random.unit().powi(3), 1.0 - random.unit().powi(3));
            let token = random.token();
            prompts.push(prompt(shard * PATHS_PER_SHARD + path));
            offsets.push(u16::try_from(offset)?);
            tokens.push(token);
            proposals.push(if accepted { token } else { token + 1 });
            fates.push(u8::from(accepted));
            let of_token = if accepted { (p, q) } else { (q, p * q) };
            let measured = [of_token.0, of_token.1, p, q, random.unit(), 4.0 * random.unit()];
            floats.iter_mut().zip(measured).for_each(|(column, value)| column.push(value));
        }
    }
    let samples = vec![0_u16; prompts.len()];
    let columns: [(&str, ArrayRef); 6] = [
        ("prompt", Arc::new(UInt64Array::from(prompts))),
        ("sample", Arc::new(UInt16Array::from(samples))),
        ("offset", Arc::new(UInt16Array::from(offsets))),
        ("token", Arc::new(UInt32Array::from(tokens))),
        ("proposal", Arc::new(UInt32Array::from(proposals))),
        ("fate", Arc::new(UInt8Array::from(fates))),
    ];
    let names = ["p", "q", "proposal_p", "proposal_q", "overlap", "entropy"];
    let floats = names.into_iter().zip(floats.map(|values| Arc::new(Float32Array::from(values)) as ArrayRef));
    Ok(RecordBatch::try_from_iter(columns.into_iter().chain(floats))?)
}

/// Tails as long as the settings may need, without an end.
fn tails(paths: &RecordBatch, task: &Task, with_p: bool) -> Outcome<RecordBatch> {
    let reader = RecordBatchIterator::new([Ok(paths.clone())], paths.schema());
    let needed = lengths::tail_lengths(task, Source::Stream(Box::new(reader), None), |_, _| true)?;
    let u16s = |name: &str| needed[name].as_primitive::<UInt16Type>().values().to_vec();
    let prompt = needed["prompt"].as_primitive::<arrow_array::types::UInt64Type>().values();
    let mut random = Random(7);
    let (mut prompts, mut starts, mut offsets, mut tokens) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut p, mut q) = (Vec::new(), Vec::new());
    for ((prompt, start), length) in prompt.iter().zip(u16s("start")).zip(u16s("length")) {
        for offset in start + 1..=start + length {
            prompts.push(*prompt);
            starts.push(start);
            offsets.push(offset);
            tokens.push(random.token());
            p.push(if with_p { 1.0 - random.unit().powi(3) } else { f32::NAN });
            q.push(1.0 - random.unit().powi(3));
        }
    }
    let samples = vec![0_u16; prompts.len()];
    let columns: [(&str, ArrayRef); 7] = [
        ("prompt", Arc::new(UInt64Array::from(prompts))),
        ("sample", Arc::new(UInt16Array::from(samples))),
        ("start", Arc::new(UInt16Array::from(starts))),
        ("offset", Arc::new(UInt16Array::from(offsets))),
        ("token", Arc::new(UInt32Array::from(tokens))),
        ("q", Arc::new(Float32Array::from(q))),
        ("p", Arc::new(Float32Array::from(p))),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn write(batch: &RecordBatch, path: &Path) -> Outcome<()> {
    let mut properties = WriterProperties::builder().set_compression(Compression::LZ4_RAW);
    for name in ["p", "q", "proposal_p", "proposal_q", "overlap", "entropy", "token", "proposal"] {
        properties = properties
            .set_column_dictionary_enabled(name.into(), false)
            .set_column_encoding(name.into(), Encoding::PLAIN);
    }
    let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), Some(properties.build()))?;
    writer.write(batch)?;
    writer.close()?;
    Ok(())
}

fn files(folder: &Path, kind: &str, n_shards: u64) -> Vec<PathBuf> {
    (0..n_shards).map(|shard| folder.join(format!("{kind}-{shard}.parquet"))).collect()
}

fn source(files: &[PathBuf]) -> Source {
    Source::Files(files.iter().map(|path| ShardFile { path: path.clone(), known: None }).collect())
}

fn setup(n_prompts: u64, parts: Parts) -> Outcome<Arc<Setup>> {
    let members = (0..n_prompts).map(|index| {
        let unit = u32::try_from(index % 100).unwrap_or_default();
        Membership { prompt: prompt(index), group: unit % N_GROUPS, unit }
    });
    let names = |n: u32| (0..n).map(|at| at.to_string()).collect();
    let groups = Groups::new(names(N_GROUPS), names(100), members.collect())?;
    let edges = |low, n| Grid::equal(low, 1.0, n).edges().to_vec();
    let grids = Grids::new(&edges(0.0, 100), &edges(-1.0, 100), &edges(0.0, 50))?;
    Ok(Arc::new(Setup::new(grids, Arc::new(groups), 2.0, parts)?))
}

/// Forget the highest resident memory so far, where the system can.
fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// Processor seconds so far, of all threads, in steps of a hundredth.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).map(f64::from).sum::<f64>() / 100.0
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("wanted a folder")?);
    let positions: u64 = arguments.next().map_or(Ok(10_000_000), |n| n.parse())?;
    let n_shards = positions.div_ceil(PATHS_PER_SHARD * LONGEST);
    let all = Task::new(LONGEST, vec![EOS], settings(102)?)?;
    fs::create_dir_all(&folder)?;
    let kinds = ["paths", "counts", "full"].map(|kind| files(&folder, kind, n_shards));
    for (shard, path) in (0..).zip(&kinds[0]) {
        if !path.exists() {
            let rows = paths(shard)?;
            write(&tails(&rows, &all, false)?, &kinds[1][usize::try_from(shard)?])?;
            write(&tails(&rows, &all, true)?, &kinds[2][usize::try_from(shard)?])?;
            write(&rows, path)?;
        }
    }
    let positions = n_shards * PATHS_PER_SHARD * LONGEST;
    println!("{positions} positions, one thread");
    let wanted: Vec<String> = arguments.collect();
    for (name, parts) in [("work", WORK.into_iter().collect()), ("all", Parts::all())] {
        let setup = setup(n_shards * PATHS_PER_SHARD, parts)?;
        for (tails, files) in [("no tails", None), ("counts", Some(&kinds[1])), ("full", Some(&kinds[2]))] {
            for n in [1, 24, 100] {
                let label = format!("{name} {tails} {n}");
                if !wanted.is_empty() && !wanted.iter().any(|wanted| label.starts_with(wanted)) {
                    continue;
                }
                let task = Task::new(LONGEST, vec![EOS], settings(n)?)?;
                forget_peak();
                let (started, before) = (Instant::now(), processor_seconds());
                let tails = files.map(Vec::as_slice).map(source);
                let states = fold::fold(&setup, &task, source(&kinds[0]), tails, 1, |_, _| true)?;
                let (seconds, processor) = (started.elapsed().as_secs_f64(), processor_seconds() - before);
                #[allow(clippy::cast_precision_loss, reason = "a rate")]
                let rate = (positions * n as u64) as f64 / processor / 1e6;
                let rows: u64 = states.iter().map(rust_agg::state::State::n_rows).sum();
                println!(
                    "{label:>18} settings: {rate:7.1} M positions x settings/s, {processor:6.2} s ({seconds:6.2} s in all), {:4} MiB, {rows} rows",
                    peak()
                );
            }
        }
    }
    Ok(())
}

//! The least that reading shards costs: digest, page checksums and arrow-rs decoding the columns that a fold needs,
//! and nothing done with them.
//!
//! `decode_floor [--all] THREADS` takes shards from standard input, one a line: kind (traces or rounds), length,
//! XXH3-128 and path, separated by tabs. All of them are decoded once to warm up, then once with the clock running;
//! threads take files, and then row groups, from a counter. `--all`: the columns of all that `rust_agg` can tell.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use twox_hash::XxHash3_128;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const WORK: &[&str] = &["prompt", "position", "p", "q", "verdict"];
const TRACES: &[&str] = &["prompt", "sample", "position", "token", "p", "q", "overlap", "entropy", "verdict"];
const ROUNDS: &[&str] = &["prompt", "sample", "requested", "emitted", "censored"];
/// As fast as any: 4096, 16384 and 65536 took as long or longer.
const BATCH_ROWS: usize = 8192;
/// Linux counts the CPU time of processes in hundredths of a second, on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

struct Shard {
    traces: bool,
    length: u64,
    xxh3_128: u128,
    path: String,
}

struct Footer<'a> {
    shard: &'a Shard,
    metadata: ArrowReaderMetadata,
    row_groups: usize,
}

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let all = arguments.first().is_some_and(|first| first == "--all");
    if all {
        arguments.remove(0);
    }
    let [threads] = arguments.as_slice() else {
        return Err("usage: decode_floor [--all] THREADS < SHARDS".into());
    };
    let threads: usize = threads.parse()?;
    let shards = io::stdin().lock().lines().map(|line| parse(&line?)).collect::<Result<Vec<_>>>()?;
    decode(&shards, threads, all)?;
    let (start, cpu_start) = (Instant::now(), cpu_seconds()?);
    let rows = decode(&shards, threads, all)?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu_seconds = cpu_seconds()? - cpu_start;
    let peak_rss_mib = peak_rss_mib()?;
    println!(
        r#"{{"seconds": {seconds}, "cpu_seconds": {cpu_seconds:.2}, "peak_rss_mib": {peak_rss_mib}, "rows": {rows}}}"#
    );
    Ok(())
}

fn parse(line: &str) -> Result<Shard> {
    let fields: Vec<&str> = line.splitn(4, '\t').collect();
    let [kind, length, xxh3_128, path] = fields.as_slice() else {
        return Err(format!("{line} has not four fields").into());
    };
    Ok(Shard {
        traces: *kind == "traces",
        length: length.parse()?,
        xxh3_128: u128::from_str_radix(xxh3_128, 16)?,
        path: (*path).to_owned(),
    })
}

/// Check and decode every shard; return the rows of traces.
fn decode(shards: &[Shard], threads: usize, all: bool) -> Result<usize> {
    let footers = on_threads(shards, threads, check)?;
    let row_groups: Vec<(&Footer, usize)> =
        footers.iter().flat_map(|footer| (0..footer.row_groups).map(move |at| (footer, at))).collect();
    let rows = on_threads(&row_groups, threads, |&(footer, at)| decode_row_group(footer, at, all))?;
    Ok(row_groups.iter().zip(rows).filter(|((footer, _), _)| footer.shard.traces).map(|(_, rows)| rows).sum())
}

/// Give every item to one of the threads; results come in order.
fn on_threads<'a, T: Sync, R: Send>(
    items: &'a [T],
    threads: usize,
    each: impl Fn(&'a T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return Ok(done) };
            done.push((at, each(item)?));
        }
    };
    let parts = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a thread panicked")?)
            .collect::<Result<Vec<_>>>()
    })?;
    let mut done: Vec<(usize, R)> = parts.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Length and digest first, then the footer.
fn check(shard: &Shard) -> Result<Footer<'_>> {
    let mut file = File::open(&shard.path)?;
    let mut digest = XxHash3_128::new();
    let mut buffer = vec![0; 1 << 18];
    let mut length = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        length += n as u64;
        digest.write(&buffer[..n]);
    }
    if (length, digest.finish_128()) != (shard.length, shard.xxh3_128) {
        return Err(format!("{} is damaged", shard.path).into());
    }
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    let row_groups = metadata.metadata().num_row_groups();
    Ok(Footer { shard, metadata, row_groups })
}

fn decode_row_group(footer: &Footer, at: usize, all: bool) -> Result<usize> {
    let columns = match (footer.shard.traces, all) {
        (true, false) => WORK,
        (true, true) => TRACES,
        (false, _) => ROUNDS,
    };
    let mask = ProjectionMask::columns(footer.metadata.parquet_schema(), columns.iter().copied());
    let file = File::open(&footer.shard.path)?;
    let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer.metadata.clone())
        .with_row_groups(vec![at])
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()?;
    let mut rows = 0;
    for batch in batches {
        rows += black_box(batch?).num_rows();
    }
    Ok(rows)
}

/// User and system time of this process, ended threads too, to 10 ms.
fn cpu_seconds() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/stat")?;
    // After the name, which is in brackets and may hold anything.
    let (_, fields) = status.rsplit_once(')').ok_or("/proc/self/stat has no name")?;
    let mut ticks = 0.0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<f64>()?;
    }
    Ok(ticks / TICKS_PER_SECOND)
}

fn peak_rss_mib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|peak| peak.split_whitespace().next())
        .ok_or("/proc/self/status has no VmHWM")?;
    Ok(peak.parse::<f64>()? / 1024.0)
}

//! The kernel alone: rows in memory, folded and flushed on one thread, for all parts and for each by itself.
//!
//! `cargo bench`, or `cargo bench -- tokens` for some of them. The rows are made up here, from a fixed seed: ten groups of
//! unequal size, ten prompts to a unit, 64 rows to a prompt and sample.

#[path = "support/random.rs"]
mod random;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use random::Random;
use rust_agg::counter::Counter;
use rust_agg::error::Error;
use rust_agg::grid::{Grid, Grids};
use rust_agg::groups::{Groups, Membership};
use rust_agg::pages::Block;
use rust_agg::parts::{ALL, Part, Parts};
use rust_agg::read::BATCH_ROWS;
use rust_agg::rows::TraceColumns;
use rust_agg::runs::cut;
use rust_agg::state::{Setup, State};

const N_ROWS: u32 = 1 << 20;
const ROWS_PER_PROMPT: u32 = 64;
const PROMPTS_PER_UNIT: u32 = 10;
const N_GROUPS: u32 = 10;
/// What `benchmarks/` compares with other libraries.
const WORK: [Part; 6] = [Part::P, Part::Q, Part::Difference, Part::Joint, Part::Positions, Part::Surer];

impl Random {
    /// A number below `n`.
    fn below(&mut self, n: u16) -> u16 {
        u16::try_from(self.next() % u64::from(n)).unwrap_or_default()
    }

    /// A number in [0, 1).
    fn unit(&mut self) -> f32 {
        f32::from(self.below(1 << 15)) / 32_768.0
    }
}

#[derive(Default)]
struct Rows {
    prompt: Vec<u64>,
    sample: Vec<u16>,
    /// All other columns.
    block: Block,
}

impl Rows {
    fn made_up() -> Self {
        let (mut rows, mut random) = (Self::default(), Random(1));
        for row in 0..N_ROWS {
            rows.prompt.push(prompt(row / ROWS_PER_PROMPT));
            rows.sample.push(0);
            rows.block.position.push(1 + u16::try_from(row % 7).unwrap_or_default());
            // Few tokens are frequent.
            let largest = 1 + random.below(30_000);
            rows.block.token.push(random.below(largest).into());
            // Models are mostly sure, or mostly not.
            rows.block.p.push(random.unit().powi(3));
            rows.block.q.push(1.0 - random.unit().powi(3));
            rows.block.overlap.push(random.unit());
            rows.block.entropy.push(4.0 * random.unit());
            rows.block.verdict.push(u8::try_from(random.below(10) / 4).unwrap_or_default());
        }
        rows
    }

    /// The columns that these parts need.
    fn columns(&self, parts: Parts) -> TraceColumns<'_> {
        fn some<'a, T>(column: &'a [T], name: &str, parts: Parts) -> &'a [T] {
            if parts.needs(name) { column } else { &[] }
        }
        let all = self.block.columns();
        TraceColumns {
            position: some(all.position, "position", parts),
            token: some(all.token, "token", parts),
            p: some(all.p, "p", parts),
            q: some(all.q, "q", parts),
            overlap: some(all.overlap, "overlap", parts),
            entropy: some(all.entropy, "entropy", parts),
            verdict: all.verdict,
        }
    }
}

/// Ids look like hashes.
fn prompt(index: u32) -> u64 {
    Random(index.into()).next()
}

fn setup(parts: Parts) -> Result<Arc<Setup>, Error> {
    // Group g has g + 1 of every 55 units.
    let group_of = |unit: u32| (0..N_GROUPS).find(|g| unit % 55 < (g + 1) * (g + 2) / 2).unwrap_or_default();
    let memberships = (0..N_ROWS / ROWS_PER_PROMPT).map(|index| {
        let unit = index / PROMPTS_PER_UNIT;
        Membership { prompt: prompt(index), group: group_of(unit), unit }
    });
    let names = |n: u32| (0..n).map(|at| at.to_string()).collect();
    let n_units = N_ROWS / ROWS_PER_PROMPT / PROMPTS_PER_UNIT + 1;
    let groups = Groups::new(names(N_GROUPS), names(n_units), memberships.collect())?;
    let edges = |low, n| Grid::equal(low, 1.0, n).edges().to_vec();
    let grids = Grids::new(&edges(0.0, 100), &edges(-1.0, 100), &edges(0.0, 50))?;
    Ok(Arc::new(Setup::new(grids, Arc::new(groups), 2.0, parts)?))
}

fn fold(setup: &Arc<Setup>, rows: &Rows) -> State {
    let (mut counter, mut runs) = (Counter::new(Arc::clone(setup)), Vec::new());
    let (n, columns) = (rows.prompt.len(), rows.columns(setup.parts));
    for start in (0..n).step_by(BATCH_ROWS) {
        let batch = start..n.min(start + BATCH_ROWS);
        let sample = if setup.parts.needs("sample") { &rows.sample[batch.clone()] } else { &[] };
        cut(&rows.prompt[batch.clone()], sample, &mut runs);
        counter
            .fold_traces(&runs, &columns.slice(&batch))
            .unwrap_or_else(|fault| panic!("row {}: {}", fault.row, fault.problem));
    }
    let mut state = State::empty(Arc::clone(setup));
    counter.flush(&mut state);
    state
}

fn kernel(criterion: &mut Criterion) {
    let rows = Rows::made_up();
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements(N_ROWS.into())).sample_size(20);
    let sets = [("all", Parts::all()), ("work", WORK.into_iter().collect())];
    let alone = ALL.map(|part| (part.name(), [part].into_iter().collect()));
    for (name, parts) in sets.into_iter().chain(alone) {
        let setup = setup(parts).unwrap_or_else(|error| panic!("{error}"));
        group.bench_function(name, |bencher| {
            bencher.iter_with_large_drop(|| fold(&setup, black_box(&rows)));
        });
    }
    group.finish();
}

criterion_group!(benches, kernel);
criterion_main!(benches);

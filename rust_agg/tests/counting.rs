//! The counter against a count row by row: long inputs, many sets of groups, flushes anywhere.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, RecordBatch};
use proptest::prelude::*;
use rust_agg::chunk::CHUNK;
use rust_agg::counter::Counter;
use rust_agg::grid::{Grid, Grids};
use rust_agg::groups::{Groups, Membership};
use rust_agg::pages::Block;
use rust_agg::parts::{Part, Parts};
use rust_agg::runs::cut;
use rust_agg::state::{Setup, State};

const N_GROUPS: u32 = 6;

#[derive(Clone, Debug, Default)]
struct Rows {
    prompt: Vec<u64>,
    sample: Vec<u16>,
    /// All other columns.
    block: Block,
}

impl Rows {
    /// Runs of rows of one prompt and sample, made from a seed; some are longer than a chunk.
    fn new(seed: u64, n_prompts: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % n
        };
        let mut rows = Self::default();
        for _ in 0..next(60) {
            let (prompt, sample) = (next(n_prompts + 1), next(3));
            let longest = if next(10) == 0 { 1500 } else { 90 };
            for _ in 0..=next(longest) {
                rows.prompt.push(prompt);
                rows.sample.push(u16::try_from(sample).unwrap());
                let deepest = if next(400) == 0 { 90 } else { 9 };
                rows.block.position.push(u16::try_from(1 + next(deepest)).unwrap());
                rows.block.token.push(u32::try_from(next(20)).unwrap());
                #[allow(clippy::cast_precision_loss)]
                let mut value = |n: u64| if next(8) == 0 { 1.0 } else { next(n + 1) as f32 / n as f32 };
                rows.block.p.push(value(97));
                rows.block.q.push(value(97));
                let measured = [value(7), f32::NAN][usize::from(value(2) > 0.9)];
                rows.block.overlap.push(measured);
                rows.block.entropy.push(if measured.is_nan() { measured } else { 3.0 * measured });
                rows.block.verdict.push(u8::try_from(next(3)).unwrap());
            }
        }
        rows
    }

    fn fold(&self, counter: &mut Counter, rows: Range<usize>) {
        let mut runs = Vec::new();
        cut(&self.prompt[rows.clone()], &self.sample[rows.clone()], &mut runs);
        counter.fold_traces(&runs, &self.block.columns().slice(&rows)).unwrap();
    }
}

/// Prompt i is in the groups whose bits are set in i, so 64 prompts have 64 sets of groups: too many to share blocks.
fn setup(n_prompts: u64, parts: Parts) -> Arc<Setup> {
    let member = |prompt: u64, group: u32| Membership { prompt, group, unit: group };
    let rows = (0..n_prompts).flat_map(|prompt| {
        (0..N_GROUPS).filter(move |group| prompt >> group & 1 == 1).map(move |group| member(prompt, group))
    });
    let names: Vec<String> = (0..N_GROUPS).map(|group| group.to_string()).collect();
    let groups = Groups::new(names.clone(), names, rows.collect()).unwrap();
    let edges = |low| Grid::equal(low, 1.0, 10).edges().to_vec();
    let grids = Grids::new(&edges(0.0), &edges(-1.0), &edges(0.0)).unwrap();
    Arc::new(Setup::new(grids, Arc::new(groups), 2.0, parts).unwrap())
}

fn fold(rows: &Rows, setup: &Arc<Setup>, batch: usize, flush: usize) -> State {
    let (mut state, mut counter) = (State::empty(Arc::clone(setup)), Counter::new(Arc::clone(setup)));
    let n = rows.prompt.len();
    for (at, start) in (0..n).step_by(batch).enumerate() {
        rows.fold(&mut counter, start..n.min(start.saturating_add(batch)));
        if at % flush == flush - 1 {
            counter.flush(&mut state);
        }
    }
    counter.flush(&mut state);
    state
}

/// Sums of the last column by the text columns before it.
fn by_group_and_verdict(table: &RecordBatch, column: &str) -> BTreeMap<(String, String), u64> {
    let text = |name: &str| table.column_by_name(name).unwrap().as_string::<i32>().clone();
    let (groups, verdicts) = (text("group"), text("verdict"));
    let counts = table.column_by_name(column).unwrap().as_primitive::<UInt64Type>();
    let mut sums = BTreeMap::new();
    for row in 0..groups.len() {
        let key = (groups.value(row).to_string(), verdicts.value(row).to_string());
        *sums.entry(key).or_default() += counts.value(row);
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn batches_and_flushes_change_nothing(seed in any::<u64>(), batch in 1_usize..1200, flush in 1_usize..5, n_prompts in 1_u64..64) {
        let rows = Rows::new(seed, n_prompts);
        let setup = setup(n_prompts, Parts::all());
        let whole = fold(&rows, &setup, usize::MAX, 1);
        let parts = fold(&rows, &setup, batch, flush);
        prop_assert_eq!(&whole, &parts);
        prop_assert_eq!(whole.to_bytes(), parts.to_bytes());
    }

    #[test]
    fn every_row_is_counted_in_each_of_its_groups(seed in any::<u64>(), n_prompts in prop_oneof![1_u64..8, 60_u64..64]) {
        let rows = Rows::new(seed, n_prompts);
        let state = fold(&rows, &setup(n_prompts, Parts::all()), CHUNK, 3);
        let (mut n, mut surer) = (BTreeMap::new(), BTreeMap::new());
        for group in 0..N_GROUPS {
            for verdict in ["rejected", "accepted", "discarded"] {
                n.insert((group.to_string(), verdict.to_string()), 0_u64);
                surer.insert((group.to_string(), verdict.to_string()), 0_u64);
            }
        }
        for row in 0..rows.prompt.len() {
            let verdict = ["rejected", "accepted", "discarded"][usize::from(rows.block.verdict[row])];
            let prompt = rows.prompt[row];
            for group in (0..N_GROUPS).filter(|group| prompt < n_prompts && prompt >> group & 1 == 1) {
                let key = (group.to_string(), verdict.to_string());
                *n.get_mut(&key).unwrap() += 1;
                *surer.get_mut(&key).unwrap() += u64::from(rows.block.q[row] > rows.block.p[row]);
            }
        }
        let found = state.surer().unwrap();
        prop_assert_eq!(&by_group_and_verdict(&found, "n"), &n);
        prop_assert_eq!(&by_group_and_verdict(&found, "n_surer"), &surer);
        let four = n.iter().map(|(key, count)| (key.clone(), 4 * count)).collect();
        prop_assert_eq!(by_group_and_verdict(&state.histograms().unwrap(), "count"), four);
        n.retain(|_, count| *count > 0);
        prop_assert_eq!(&by_group_and_verdict(&state.joint_histogram().unwrap(), "count"), &n);
        prop_assert_eq!(&by_group_and_verdict(&state.positions().unwrap(), "count"), &n);
        let by_unit = by_group_and_verdict(&state.unit_histograms().unwrap(), "count");
        let three: BTreeMap<_, _> = n.iter().map(|(key, count)| (key.clone(), 3 * count)).collect();
        prop_assert_eq!(by_unit, three);
    }

    #[test]
    fn a_part_alone_is_the_part_of_the_whole(seed in any::<u64>()) {
        let rows = Rows::new(seed, 7);
        let whole = fold(&rows, &setup(7, Parts::all()), 1000, 2);
        let alone = |part| fold(&rows, &setup(7, [part].into_iter().collect()), 1000, 2);
        prop_assert_eq!(alone(Part::Joint).joint_histogram().unwrap(), whole.joint_histogram().unwrap());
        prop_assert_eq!(alone(Part::Positions).positions().unwrap(), whole.positions().unwrap());
        prop_assert_eq!(alone(Part::Surer).surer().unwrap(), whole.surer().unwrap());
        prop_assert_eq!(alone(Part::Units).unit_histograms().unwrap(), whole.unit_histograms().unwrap());
        prop_assert_eq!(alone(Part::Prompts).prompts().unwrap(), whole.prompts().unwrap());
        prop_assert_eq!(alone(Part::PromptPositions).prompt_positions().unwrap(), whole.prompt_positions().unwrap());
        prop_assert_eq!(alone(Part::Tokens).tokens().unwrap(), whole.tokens().unwrap());
        prop_assert_eq!(alone(Part::Calibration).calibration().unwrap(), whole.calibration().unwrap());
        prop_assert!(alone(Part::P).joint_histogram().is_err());
    }
}

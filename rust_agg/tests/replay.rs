//! Replays against a walk token by token whose rows are folded: long paths, many sets of groups, every part.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float32Array, RecordBatch, RecordBatchIterator, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use proptest::prelude::*;
use rust_agg::columns::Table;
use rust_agg::counter::Counter;
use rust_agg::error::Origin;
use rust_agg::feed::Source;
use rust_agg::grid::{Grid, Grids};
use rust_agg::groups::{Groups, Membership};
use rust_agg::parts::Parts;
use rust_agg::replay::fold::fold;
use rust_agg::replay::records::records;
use rust_agg::replay::schedule::{Kind, Setting};
use rust_agg::replay::task::Task;
use rust_agg::state::{Setup, State};

const N_GROUPS: u32 = 6;
const EOS: u32 = 0;

/// One emitted token, with the proposal there and the draft's continuation after it.
#[derive(Clone, Debug)]
struct Token {
    emitted: u32,
    proposal: u32,
    accepted: bool,
    values: [f32; 6],
    /// Token, q, p.
    tail: Vec<(u32, f32, f32)>,
}

#[derive(Clone, Debug)]
struct Path {
    prompt: u64,
    sample: u16,
    tokens: Vec<Token>,
}

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    #[allow(clippy::cast_precision_loss)]
    fn value(&mut self) -> f32 {
        if self.below(8) == 0 { 1.0 } else { self.below(98) as f32 / 97.0 }
    }

    /// A token, seldom one that ends a text.
    fn token(&mut self) -> u32 {
        if self.below(60) == 0 { EOS } else { 1 + self.below(20) as u32 }
    }

    fn path(&mut self, prompt: u64, sample: u16, longest: usize) -> Path {
        let certainty = 2 + self.below(30);
        let mut tokens = Vec::new();
        while tokens.len() < longest && tokens.last().is_none_or(|last: &Token| last.emitted != EOS) {
            let accepted = self.below(certainty) != 0;
            let token = self.token();
            let other = if self.below(20) == 0 { EOS } else { 30 };
            let proposal = if accepted { token } else { [other, 31][usize::from(other == token)] };
            let own = [self.value(), self.value()];
            let proposed = if accepted { own } else { [self.value(), self.value()] };
            let measured = [self.value(), f32::NAN][usize::from(self.below(4) == 0)];
            let values = [own[0], own[1], proposed[0], proposed[1], measured, 3.0 * measured];
            let mut tail = Vec::new();
            let room = (longest - tokens.len()).saturating_sub(2);
            while !accepted
                && proposal != EOS
                && tail.len() < room
                && !tail.iter().any(|row: &(u32, _, _)| row.0 == EOS)
            {
                tail.push((self.token(), self.value(), self.value()));
            }
            tokens.push(Token { emitted: token, proposal, accepted, values, tail });
        }
        Path { prompt, sample, tokens }
    }

    fn paths(&mut self, n_prompts: u64, longest: usize) -> Vec<Path> {
        let mut paths = Vec::new();
        for prompt in 0..n_prompts {
            for sample in 0..self.below(3) as u16 {
                paths.push(self.path(prompt, sample, longest));
            }
        }
        paths
    }
}

fn u16s(values: impl Iterator<Item = usize>) -> ArrayRef {
    Arc::new(UInt16Array::from_iter_values(values.map(|value| value as u16)))
}

fn paths_table(paths: &[Path]) -> RecordBatch {
    let rows: Vec<_> = paths
        .iter()
        .flat_map(|path| path.tokens.iter().enumerate().map(move |(offset, token)| (path, offset, token)))
        .collect();
    let floats = |at: usize| -> ArrayRef {
        Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.2.values[at])))
    };
    RecordBatch::try_from_iter([
        ("prompt", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0.prompt))) as ArrayRef),
        ("sample", u16s(rows.iter().map(|row| row.0.sample.into()))),
        ("offset", u16s(rows.iter().map(|row| row.1))),
        ("token", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.2.emitted)))),
        ("proposal", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.2.proposal)))),
        ("fate", Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.2.accepted.into())))),
        ("p", floats(0)),
        ("q", floats(1)),
        ("proposal_p", floats(2)),
        ("proposal_q", floats(3)),
        ("overlap", floats(4)),
        ("entropy", floats(5)),
    ])
    .unwrap()
}

fn tails_table(paths: &[Path]) -> RecordBatch {
    let mut rows = Vec::new();
    for path in paths {
        for (start, token) in path.tokens.iter().enumerate() {
            rows.extend(token.tail.iter().zip(start + 1..).map(|(row, offset)| (path, start, offset, row)));
        }
    }
    RecordBatch::try_from_iter([
        ("prompt", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0.prompt))) as ArrayRef),
        ("sample", u16s(rows.iter().map(|row| row.0.sample.into()))),
        ("start", u16s(rows.iter().map(|row| row.1))),
        ("offset", u16s(rows.iter().map(|row| row.2))),
        ("token", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.3.0)))),
        ("q", Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.3.1)))),
        ("p", Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.3.2)))),
    ])
    .unwrap()
}

fn stream(batch: &RecordBatch, rows: usize) -> Source {
    let n = batch.num_rows();
    let pieces: Vec<_> =
        (0..n).step_by(rows).map(|start| Ok(batch.slice(start, rows.min(n - start)))).collect();
    Source::Stream(Box::new(RecordBatchIterator::new(pieces, batch.schema())), None)
}

/// Rows of traces and of rounds, written token by token.
#[derive(Default)]
struct Rows {
    keys: Vec<(u64, u16)>,
    position: Vec<u16>,
    token: Vec<u32>,
    values: Vec<[f32; 4]>,
    verdict: Vec<u8>,
    round_keys: Vec<(u64, u16)>,
    /// requested, emitted, drafted, censored.
    rounds: Vec<[u16; 4]>,
}

impl Rows {
    fn walk(&mut self, path: &Path, setting: &Setting, longest: usize) {
        let limit = setting.max_new_tokens.map_or(longest, |limit| limit as usize);
        let (mut start, mut gamma) = (0, setting.gamma as usize);
        while start < path.tokens.len().min(limit) {
            let k = gamma.min(limit - start - 1);
            let (mut n, mut emitted, mut last) = (0, 0, u32::MAX);
            let (mut stopped, mut rejected, mut ended) = (false, false, false);
            while n < k && !stopped && !rejected {
                let token = &path.tokens[start + n];
                let [_, _, p, q, overlap, entropy] = token.values;
                stopped = token.proposal == EOS || f64::from(q) < setting.threshold;
                last = token.proposal;
                n += 1;
                self.row(path, n, token.proposal, [p, q, overlap, entropy], u8::from(token.accepted));
                rejected = !token.accepted;
                ended = token.accepted && token.proposal == EOS;
                emitted += usize::from(token.accepted);
            }
            let rejected_at = start + n - usize::from(rejected);
            for (token, q, p) in
                path.tokens[rejected_at.min(path.tokens.len() - 1)].tail.iter().filter(|_| rejected)
            {
                if n < k && !stopped {
                    n += 1;
                    self.row(path, n, *token, [*p, *q, f32::NAN, f32::NAN], 2);
                    stopped = *token == EOS || f64::from(*q) < setting.threshold;
                    last = *token;
                }
            }
            emitted += usize::from(!ended);
            let censored = match (k < gamma, n < gamma, last == EOS) {
                (true, ..) => 1,
                (_, true, true) => 2,
                (_, true, false) => 3,
                _ => 0,
            };
            self.round_keys.push((path.prompt, path.sample));
            self.rounds.push([gamma as u16, emitted as u16, n as u16, censored]);
            if setting.kind != Kind::Constant {
                gamma = if emitted == n + 1 { gamma + 2 } else { (gamma - 1).max(1) };
            }
            start += emitted;
        }
    }

    fn row(&mut self, path: &Path, position: usize, token: u32, values: [f32; 4], verdict: u8) {
        self.keys.push((path.prompt, path.sample));
        self.position.push(position as u16);
        self.token.push(token);
        self.values.push(values);
        self.verdict.push(verdict);
    }

    fn fold(&self, setup: &Arc<Setup>) -> State {
        let keys = |keys: &[(u64, u16)]| -> [(&str, ArrayRef); 2] {
            let prompt = Arc::new(UInt64Array::from_iter_values(keys.iter().map(|key| key.0)));
            [("prompt", prompt), ("sample", u16s(keys.iter().map(|key| key.1.into())))]
        };
        let floats = |at: usize| -> ArrayRef {
            Arc::new(Float32Array::from_iter_values(self.values.iter().map(|values| values[at])))
        };
        let traces = keys(&self.keys).into_iter().chain([
            ("position", Arc::new(UInt16Array::from(self.position.clone())) as ArrayRef),
            ("token", Arc::new(UInt32Array::from(self.token.clone()))),
            ("p", floats(0)),
            ("q", floats(1)),
            ("overlap", floats(2)),
            ("entropy", floats(3)),
            ("verdict", Arc::new(UInt8Array::from(self.verdict.clone()))),
        ]);
        let column = |at: usize| u16s(self.rounds.iter().map(|round| round[at].into()));
        let censored = self.rounds.iter().map(|round| round[3] as u8);
        let rounds = keys(&self.round_keys).into_iter().chain([
            ("requested", column(0)),
            ("emitted", column(1)),
            ("censored", Arc::new(UInt8Array::from_iter_values(censored)) as ArrayRef),
        ]);
        let tables = [
            (Table::Traces, RecordBatch::try_from_iter(traces).unwrap()),
            (Table::Rounds, RecordBatch::try_from_iter(rounds).unwrap()),
        ];
        let (mut state, mut counter) = (State::empty(Arc::clone(setup)), Counter::new(Arc::clone(setup)));
        for (table, batch) in tables {
            table.fold(&mut counter, &batch, &Origin::named("rows"), 0).unwrap();
        }
        counter.flush(&mut state);
        state
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

fn settings(longest: usize) -> impl Strategy<Value = Vec<(String, Setting)>> {
    let kind = prop_oneof![Just(Kind::Constant), Just(Kind::Heuristic), Just(Kind::HeuristicTransient)];
    let limit = prop_oneof![Just(None), (1..=longest as u64).prop_map(Some)];
    let threshold = prop_oneof![Just(0.0), Just(0.3), Just(19.0 / 97.0), Just(1.0)];
    let one = (kind, prop_oneof![1_u64..8, Just(300)], threshold, limit).prop_map(
        |(kind, gamma, threshold, limit)| {
            (format!("{kind:?}"), Setting::new(kind, gamma, threshold, limit, None).unwrap())
        },
    );
    prop::collection::vec(one, 1..5)
}

fn cases() -> impl Strategy<Value = (u64, u64, usize, Vec<(String, Setting)>)> {
    let sizes = (any::<u64>(), prop_oneof![1_u64..8, 60_u64..64], prop_oneof![1_usize..12, 100_usize..400]);
    sizes.prop_flat_map(|(seed, n_prompts, longest)| {
        (Just(seed), Just(n_prompts), Just(longest), settings(longest))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_replay_is_a_fold_of_what_is_walked_token_by_token(
        (seed, n_prompts, longest, settings) in cases(), rows in 1_usize..3000, threads in 1_usize..4
    ) {
        let paths = Random(seed | 1).paths(n_prompts, longest);
        let (table, tails) = (paths_table(&paths), tails_table(&paths));
        let task = Task::new(longest as u64, vec![EOS], settings.clone()).unwrap();
        let setup = setup(n_prompts, Parts::all());
        let states = fold(&setup, &task, stream(&table, rows), Some(stream(&tails, rows)), threads, |_, _| true).unwrap();
        for ((_, setting), state) in settings.iter().zip(&states) {
            let mut walked = Rows::default();
            for path in &paths {
                walked.walk(path, setting, longest);
            }
            prop_assert_eq!(state, &walked.fold(&setup));
        }
    }

    #[test]
    fn records_are_what_is_walked_token_by_token((seed, n_prompts, longest, settings) in cases(), rows in 1_usize..3000) {
        let paths = Random(seed | 1).paths(n_prompts.min(9), longest);
        let (table, tails) = (paths_table(&paths), tails_table(&paths));
        let task = Task::new(longest as u64, vec![EOS], settings[..1].to_vec()).unwrap();
        let (traces, rounds) = records(&task, stream(&table, rows), Some(stream(&tails, rows)), |_, _| true).unwrap();
        let mut walked = Rows::default();
        for path in &paths {
            walked.walk(path, &settings[0].1, longest);
        }
        prop_assert_eq!(traces["token"].as_ref(), &UInt32Array::from(walked.token.clone()) as &dyn arrow_array::Array);
        let drafted = UInt16Array::from_iter_values(walked.rounds.iter().map(|round| round[2]));
        prop_assert_eq!(rounds["drafted"].as_ref(), &drafted as &dyn arrow_array::Array);
        let setup = setup(n_prompts, Parts::all());
        let mut counter = Counter::new(Arc::clone(&setup));
        let mut state = State::empty(Arc::clone(&setup));
        Table::Traces.fold(&mut counter, &traces, &Origin::named("traces"), 0).unwrap();
        Table::Rounds.fold(&mut counter, &rounds, &Origin::named("rounds"), 0).unwrap();
        counter.flush(&mut state);
        prop_assert_eq!(state, walked.fold(&setup));
    }
}

//! States: merging, splitting, saving.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;
use rust_agg::counter::Counter;
use rust_agg::error::Error;
use rust_agg::grid::{Grid, Grids};
use rust_agg::groups::{Groups, Membership};
use rust_agg::parts::Parts;
use rust_agg::rows::{RoundColumns, TraceColumns, first_fault};
use rust_agg::runs::cut;
use rust_agg::state::{Setup, State};

/// prompt, sample, position, token, p, q, overlap, entropy, verdict.
type Row = (u64, u16, u16, u32, f32, f32, f32, f32, u8);
/// prompt, sample, requested, emitted, censored.
type Round = (u64, u16, u16, u16, u8);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = || prop_oneof![4 => 0.0_f32..=1.0, 1 => Just(0.0), 1 => Just(1.0)];
    let measured = || prop_oneof![0.0_f32..=1.5, Just(f32::NAN)];
    let row = (0_u64..5, 0_u16..2, 1_u16..6, 0_u32..4, value(), value(), measured(), measured(), 0_u8..3);
    prop::collection::vec(row, 0..60)
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    prop::collection::vec((0_u64..5, 0_u16..2, 0_u16..9, 0_u16..9, 0_u8..4), 0..20)
}

/// Prompts 0 to 3 in three groups of two groupings; prompt 4 is in none.
fn setup(ratio: f64) -> Arc<Setup> {
    let grid = |low| Grid::equal(low, 1.0, 10).edges().to_vec();
    let rows = [(0, 0, 0), (1, 0, 1), (2, 1, 2), (0, 2, 3), (1, 2, 3), (2, 2, 3), (3, 2, 3)];
    let rows = rows.map(|(prompt, group, unit)| Membership { prompt, group, unit }).to_vec();
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let groups = Groups::new(names(&["a", "b", "all"]), names(&["x", "y", "x", "z"]), rows).unwrap();
    Arc::new(
        Setup::new(
            Grids::new(&grid(0.0), &grid(-1.0), &grid(0.0)).unwrap(),
            Arc::new(groups),
            ratio,
            Parts::all(),
        )
        .unwrap(),
    )
}

macro_rules! column {
    ($rows:ident, $at:tt) => {
        &$rows.iter().map(|row| row.$at).collect::<Vec<_>>()
    };
}

fn fold(rows: &[Row], rounds: &[Round]) -> State {
    let setup = setup(2.0);
    let (mut state, mut counter) = (State::empty(Arc::clone(&setup)), Counter::new(setup));
    let mut runs = Vec::new();
    cut(column!(rows, 0), column!(rows, 1), &mut runs);
    let columns = TraceColumns {
        position: column!(rows, 2),
        token: column!(rows, 3),
        p: column!(rows, 4),
        q: column!(rows, 5),
        overlap: column!(rows, 6),
        entropy: column!(rows, 7),
        verdict: column!(rows, 8),
    };
    counter.fold_traces(&runs, &columns).unwrap();
    cut(column!(rounds, 0), column!(rounds, 1), &mut runs);
    let columns = RoundColumns {
        requested: column!(rounds, 2),
        emitted: column!(rounds, 3),
        censored: column!(rounds, 4),
    };
    counter.fold_rounds(&runs, &columns);
    counter.flush(&mut state);
    state
}

fn sum(states: &[&State]) -> State {
    let mut sum = State::empty(setup(2.0));
    for state in states {
        sum.merge(state).unwrap();
    }
    sum
}

proptest! {
    #[test]
    fn merging_is_associative_and_commutative(a in rows(), b in rows(), c in rows(), r in rounds()) {
        let (a, b, c) = (fold(&a, &r), fold(&b, &[]), fold(&c, &r));
        let left = sum(&[&sum(&[&a, &b]), &c]);
        prop_assert_eq!(&left, &sum(&[&a, &sum(&[&b, &c])]));
        prop_assert_eq!(left.to_bytes(), sum(&[&c, &b, &a]).to_bytes());
    }

    #[test]
    fn any_split_gives_the_bytes_of_the_whole(rows in rows(), rounds in rounds(), cut in 0.0_f64..=1.0) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let at = |n: usize| (n as f64 * cut) as usize;
        let (first, rest) = rows.split_at(at(rows.len()));
        let (first_rounds, rest_rounds) = rounds.split_at(at(rounds.len()));
        let parts = sum(&[&fold(rest, first_rounds), &fold(first, rest_rounds)]);
        prop_assert_eq!(fold(&rows, &rounds).to_bytes(), parts.to_bytes());
    }

    #[test]
    fn the_order_of_rows_changes_nothing(rows in rows().prop_shuffle(), rounds in rounds().prop_shuffle()) {
        let mut sorted = rows.clone();
        sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        prop_assert_eq!(fold(&rows, &rounds), fold(&sorted, &rounds));
    }

    #[test]
    fn a_saved_state_comes_back_equal(rows in rows(), rounds in rounds()) {
        let state = fold(&rows, &rounds);
        let bytes = state.to_bytes();
        let back = State::from_bytes(&bytes, "bytes").unwrap();
        prop_assert_eq!(&back, &state);
        prop_assert_eq!(back.to_bytes(), bytes);
    }

    #[test]
    fn a_damaged_state_is_refused(rows in rows(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut bytes = fold(&rows, &[]).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(matches!(State::from_bytes(&bytes, "bytes"), Err(Error::State(_))));
        prop_assert!(matches!(State::from_bytes(&bytes[..at], "bytes"), Err(Error::State(_))));
    }
}

#[test]
fn states_of_another_setup_are_refused() {
    let mut state = State::empty(setup(2.0));
    let error = state.merge(&State::empty(setup(3.0))).unwrap_err();
    assert_eq!(error.to_string(), "these states cannot be merged: their over_confident_ratio differ");
}

#[test]
fn a_state_of_another_version_names_both() {
    let mut bytes = fold(&[], &[]).to_bytes();
    bytes[8] = 9;
    let error = State::from_bytes(&bytes, "old.state").unwrap_err();
    assert_eq!(error.to_string(), "old.state: saved as version 9, this rust_agg reads version 3");
}

#[test]
fn the_first_fault_is_named_in_the_order_of_the_schema() {
    let columns = TraceColumns {
        position: &[1, 0],
        token: &[0, 0],
        p: &[0.5, -1.0],
        q: &[0.5, 0.5],
        overlap: &[f32::NAN, 9.0],
        entropy: &[f32::NAN, 1.0],
        verdict: &[2, 3],
    };
    assert_eq!(first_fault(&columns.slice(&(0..1))), None);
    let fault = first_fault(&columns).unwrap();
    assert_eq!((fault.row, fault.column), (1, "position"));
}

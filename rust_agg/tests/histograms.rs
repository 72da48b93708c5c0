//! Histograms with axes: what they hold, and which names they know.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use rust_agg::counter::Counter;
use rust_agg::error::Error;
use rust_agg::grid::Grids;
use rust_agg::groups::{Groups, Membership};
use rust_agg::histogram::Bins;
use rust_agg::parts::Parts;
use rust_agg::rows::TraceColumns;
use rust_agg::runs::cut;
use rust_agg::state::{Setup, State};

/// Four rows of prompts 1 (group a) and 2 (group b).
fn state(parts: Parts) -> State {
    let member = |prompt, at| Membership { prompt, group: at, unit: at };
    let names = |names: [&str; 2]| names.map(String::from).to_vec();
    let groups = Groups::new(names(["a", "b"]), names(["x", "y"]), vec![member(1, 0), member(2, 1)]).unwrap();
    let grids = Grids::new(&[0.0, 0.5, 1.0], &[-1.0, 0.0, 1.0], &[0.0, 0.25, 1.0]).unwrap();
    let setup = Arc::new(Setup::new(grids, Arc::new(groups), 2.0, parts).unwrap());
    let (mut counter, mut runs) = (Counter::new(Arc::clone(&setup)), Vec::new());
    cut(&[1, 1, 2, 2], &[0; 4], &mut runs);
    let columns = TraceColumns {
        position: &[1; 4],
        token: &[0; 4],
        p: &[0.25, 1.0, 0.0, 1.0],
        q: &[0.75, 0.5, 1.0, 0.0],
        overlap: &[f32::NAN; 4],
        entropy: &[f32::NAN; 4],
        verdict: &[0, 1, 0, 1],
    };
    counter.fold_traces(&runs, &columns).unwrap();
    let mut state = State::empty(setup);
    counter.flush(&mut state);
    state
}

#[test]
fn axes_are_group_verdict_and_quantity() {
    let histogram = state(Parts::all()).histogram("p", None, None).unwrap();
    let names: Vec<_> = histogram.axes().iter().map(|axis| axis.name).collect();
    assert_eq!(names, ["group", "verdict", "p"]);
    assert_eq!(histogram.shape(false), [2, 3, 2]);
    assert_eq!(histogram.counts(false), [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]);
    assert_eq!(histogram.counts(true), histogram.counts(false));
    assert_eq!(histogram.axes()[2].bins, Bins::Edges { edges: vec![0.0, 0.5, 1.0], flow: false });
}

#[test]
fn a_group_and_a_verdict_pick_one_and_leave_no_axis() {
    let histogram = state(Parts::all()).histogram("joint", Some("a"), Some("accepted")).unwrap();
    assert_eq!(histogram.shape(false), [2, 2]);
    assert_eq!(histogram.counts(false), [0, 0, 0, 1]);
}

#[test]
fn only_log_ratio_has_bins_below_and_above() {
    let histogram = state(Parts::all()).histogram("log_ratio", None, None).unwrap();
    assert_eq!((histogram.shape(false), histogram.shape(true)), (vec![2, 3, 64], vec![2, 3, 66]));
    let (inner, all) = (histogram.counts(false), histogram.counts(true));
    assert_eq!((inner.len(), all.len()), (2 * 3 * 64, 2 * 3 * 66));
    assert_eq!((inner.iter().sum::<u64>(), all.iter().sum::<u64>()), (2, 4));
    let row = |group: usize, verdict: usize| &all[(group * 3 + verdict) * 66..][..66];
    assert_eq!((row(1, 0)[0], row(1, 1)[65]), (1, 1));
}

#[test]
fn other_names_are_refused_and_so_is_what_was_not_counted() {
    let state = state(Parts::from_names(&["p"]).unwrap());
    let sentence = |quantity, group, verdict| match state.histogram(quantity, group, verdict) {
        Err(Error::Argument(sentence) | Error::State(sentence)) => sentence,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        sentence("units", None, None),
        "quantity: \"units\" is none of p, q, difference, log_ratio, joint"
    );
    assert_eq!(sentence("p", Some("c"), None), "group: \"c\" is none of a, b");
    assert_eq!(
        sentence("p", None, Some("judged")),
        "verdict: \"judged\" is none of rejected, accepted, discarded"
    );
    assert!(sentence("q", None, None).starts_with("\"q\" was not counted"));
}

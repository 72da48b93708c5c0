//! The bins against a slow scan of the edges.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use rust_agg::cells::{unit_difference_bin, unit_probability_bin};
use rust_agg::grid::{Grid, Grids, log_ratio_bin};
use rust_agg::log_edges::{EXP_LOG_EDGES, N_LOG_EDGES, log_edges};

/// The rule of the contract, word for word.
fn scan(edges: &[f64], value: f64) -> usize {
    let n = edges.iter().filter(|edge| **edge <= value).count();
    (n - 1).min(edges.len() - 2)
}

fn edges(low: f64, high: f64) -> impl Strategy<Value = Vec<f64>> {
    let equal = (1_u32..200).prop_map(move |n| Grid::equal(low, high, n).edges().to_vec());
    let summed = (1_u32..200).prop_map(move |n| {
        let step = (high - low) / f64::from(n);
        let mut edges: Vec<f64> = (0..n).map(|k| low + step * f64::from(k)).collect();
        edges.push(high);
        edges
    });
    let uneven = prop::collection::btree_set(1_u32..10_000, 0..40).prop_map(move |inner| {
        let inner = inner.into_iter().map(|k| low + (high - low) * f64::from(k) / 10_000.0);
        [low].into_iter().chain(inner).chain([high]).collect()
    });
    prop_oneof![equal, summed, uneven]
}

fn probability() -> impl Strategy<Value = f64> {
    let any = (0.0_f32..=1.0).prop_map(f64::from);
    let tiny = (0_u32..100).prop_map(|bits| f64::from(f32::from_bits(bits)));
    prop_oneof![8 => any, 1 => tiny, 1 => Just(0.0), 1 => Just(1.0), 1 => (0_u32..=64).prop_map(|k| f64::from(k) / 64.0)]
}

proptest! {
    #[test]
    fn a_bin_is_the_number_of_edges_at_or_below_less_one(edges in edges(0.0, 1.0), value in probability()) {
        let grid = Grid::new("p", &edges, 0.0, 1.0, 1 << 16).unwrap();
        prop_assert_eq!(grid.bin(value), scan(&edges, value));
    }

    #[test]
    fn an_edge_belongs_to_the_bin_that_it_opens(edges in edges(-1.0, 1.0)) {
        let grid = Grid::new("difference", &edges, -1.0, 1.0, 1 << 16).unwrap();
        for edge in &edges {
            for value in [edge.next_down().max(-1.0), *edge, edge.next_up().min(1.0)] {
                prop_assert_eq!(grid.bin(value), scan(&edges, value));
            }
        }
    }

    #[test]
    fn a_difference_is_binned_as_the_float64_difference(edges in edges(-1.0, 1.0), p in probability(), q in probability()) {
        let grid = Grid::new("difference", &edges, -1.0, 1.0, 1 << 16).unwrap();
        prop_assert_eq!(grid.bin(p - q), scan(&edges, p - q));
    }

    #[test]
    fn unit_bins_follow_their_64_edges(p in probability(), q in probability()) {
        let (probability, difference) = (Grid::equal(0.0, 1.0, 64), Grid::equal(-1.0, 1.0, 64));
        prop_assert_eq!(unit_probability_bin(p), scan(probability.edges(), p));
        prop_assert_eq!(unit_difference_bin(p - q), scan(difference.edges(), p - q));
    }

    #[test]
    fn a_log_ratio_is_binned_by_products(p in probability(), q in probability()) {
        let slow = EXP_LOG_EDGES.iter().filter(|factor| p > 0.0 && p >= q * **factor).count();
        prop_assert_eq!(log_ratio_bin(p, q), slow);
    }

    #[test]
    fn a_log_ratio_on_an_edge_opens_its_bin(q in 0.01_f64..0.3, edge in 0..36_usize) {
        let p = q * EXP_LOG_EDGES[edge];
        prop_assert_eq!(log_ratio_bin(p, q), edge + 1);
        prop_assert_eq!(log_ratio_bin(p.next_down(), q), edge);
    }
}

#[test]
fn zero_p_is_underflow_and_zero_q_overflow() {
    assert_eq!(log_ratio_bin(0.0, 0.0), 0);
    assert_eq!(log_ratio_bin(0.0, 1.0), 0);
    assert_eq!(log_ratio_bin(1e-45, 0.0), N_LOG_EDGES);
}

#[test]
fn the_constants_are_the_exponentials_of_the_edges() {
    for (edge, factor) in log_edges().into_iter().zip(EXP_LOG_EDGES) {
        let ulps = edge.exp().to_bits().abs_diff(factor.to_bits());
        assert!(ulps <= 1, "exp({edge}) is {factor}, {ulps} ulps from this machine's");
    }
    assert_eq!(EXP_LOG_EDGES[32].to_bits(), 1.0_f64.to_bits());
}

#[test]
fn grids_that_cannot_be_used_say_why() {
    let unit = [0.0, 1.0];
    let both = [-1.0, 1.0];
    let sentence = |p: &[f64], d: &[f64], j: &[f64]| Grids::new(p, d, j).unwrap_err().to_string();
    assert_eq!(sentence(&[0.0], &both, &unit), "probability needs at least two edges, found 1");
    assert!(
        sentence(&[0.0, 0.5, 0.5, 1.0], &both, &unit).contains("increase strictly, edge 2 is 0.5 after 0.5")
    );
    assert!(sentence(&[0.0, f64::NAN, 1.0], &both, &unit).contains("must be finite, edge 1 is NaN"));
    assert!(sentence(&unit, &unit, &unit).contains("difference edges must run from -1 to 1 exactly"));
    assert!(sentence(&unit, &both, &[0.0, 0.9]).contains("joint edges must run from 0 to 1 exactly"));
}

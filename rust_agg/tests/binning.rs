//! The bins against a slow scan of the edges.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

use proptest::prelude::*;
use rust_agg::bins::{DifferenceBins, LogBins, ProbabilityBins, RatioBins, floor, round};
use rust_agg::grid::{Grid, Grids};
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
    fn fast_bins_of_a_probability_are_those_of_its_edges(edges in edges(0.0, 1.0), value in probability(), near in any::<prop::sample::Index>()) {
        let grid = Grid::new("p", &edges, 0.0, 1.0, 1 << 16).unwrap();
        let bins = ProbabilityBins::new(&grid);
        let edge = edges[near.index(edges.len())] as f32;
        for value in [value as f32, edge.next_down().max(0.0), edge, edge.next_up().min(1.0), -0.0] {
            let mut found = [0];
            bins.fill(&[value], &[1000], 7, &mut found);
            prop_assert_eq!(found[0] as usize, 1007 + scan(&edges, f64::from(value)), "{} in {:?}", value, bins);
        }
    }

    #[test]
    fn fast_bins_of_a_difference_are_those_of_its_edges(edges in edges(-1.0, 1.0), p in probability(), q in probability(), near in any::<prop::sample::Index>()) {
        let grid = Grid::new("difference", &edges, -1.0, 1.0, 1 << 16).unwrap();
        let bins = DifferenceBins::new(&grid);
        // p so that p - q lies as near to an edge as float32 allows, a tiny q taking it to the last bits.
        let edge = edges[near.index(edges.len())].abs();
        let (p, q, at, rest) = (p as f32, q as f32, edge as f32, (edge - f64::from(edge as f32)).abs() as f32);
        let pairs = [(p, q), (at, 0.0), (0.0, at), (at, rest), (at, rest.next_up()), (at, rest.next_down().max(0.0)), (at, 1e-17), (1e-17, at), (p, p)];
        for (p, q) in pairs {
            let mut found = [0];
            bins.fill(&[p], &[q], &[3], 4, &mut found);
            prop_assert_eq!(found[0] as usize, 7 + scan(&edges, f64::from(p) - f64::from(q)), "{} - {}", p, q);
        }
    }

    #[test]
    fn a_log_ratio_is_binned_by_products(p in probability(), q in probability(), edge in 0..N_LOG_EDGES) {
        for (p, q) in [(p, q), (f64::from((q * EXP_LOG_EDGES[edge]) as f32).min(1.0), q)] {
            for p in [p, f64::from((p as f32).next_up()).min(1.0), f64::from((p as f32).next_down()).max(0.0)] {
                prop_assert_eq!(log_bin(p, q), slow_log_bin(p, q), "p {} q {}", p, q);
            }
        }
    }

    #[test]
    fn a_log_ratio_on_an_edge_opens_its_bin(q in 0.01_f64..0.3, edge in 0..36_usize) {
        let p = q * EXP_LOG_EDGES[edge];
        prop_assert_eq!(log_bin(p, q) as usize, edge + 1);
        prop_assert_eq!(log_bin(p.next_down(), q) as usize, edge);
    }

    #[test]
    fn a_ratio_is_binned_by_its_edges(p in probability(), q in probability(), k in 0_u32..=20) {
        let edges = Grid::equal(0.0, 1.0, 20).edges().to_vec();
        let bins = RatioBins::new(20);
        let edge = f64::from(k) / 20.0;
        let ratio = if q == 0.0 { 1.0 } else { (p / q).min(1.0) };
        for ratio in [ratio, edge, edge.next_down().max(0.0), edge.next_up().min(1.0)] {
            let slow = edges.iter().filter(|edge| **edge <= ratio).count() - 1;
            prop_assert_eq!(bins.bin(ratio) as usize, slow, "{}", ratio);
        }
    }

    #[test]
    fn rounding_without_instructions_for_it_is_exact(value in -1.0e9_f64..1.0e9, whole in -100_000_i32..100_000) {
        for value in [value, f64::from(whole), f64::from(whole) + 0.5, f64::from(whole).next_up(), f64::from(whole).next_down()] {
                let (down, near) = (value.floor() as i32, value.round_ties_even() as i64);
            prop_assert_eq!(floor(value), down);
            prop_assert_eq!(round(value), near);
        }
    }
}

fn slow_log_bin(p: f64, q: f64) -> u32 {
    u32::try_from(EXP_LOG_EDGES.iter().filter(|factor| p > 0.0 && p >= q * **factor).count()).unwrap()
}

fn log_bin(p: f64, q: f64) -> u32 {
    LogBins::new().bin(LogBins::cell(p / q), p, q)
}

/// Every float32 beside every edge of the grids that the workflow uses, and of many more.
#[test]
fn no_equal_grid_puts_a_float32_beside_an_edge_into_the_wrong_bin() {
    let decades =
        |n: i32| (0..=6 * n).map(move |k| 10_f64.powf(f64::from(k) / f64::from(n) - 6.0)).collect::<Vec<_>>();
    let mut grids: Vec<Vec<f64>> = (1..=400).map(|n| Grid::equal(0.0, 1.0, n).edges().to_vec()).collect();
    for n in 1..12 {
        let mut edges = decades(n);
        *edges.last_mut().unwrap() = 1.0;
        edges.insert(0, 0.0);
        grids.push(edges);
    }
    for edges in grids {
        let bins = ProbabilityBins::new(&Grid::new("p", &edges, 0.0, 1.0, 1 << 16).unwrap());
        for edge in &edges {
            let near = *edge as f32;
            for value in [near.next_down().max(0.0), near, near.next_up().min(1.0)] {
                let mut found = [0];
                bins.fill(&[value], &[0], 0, &mut found);
                assert_eq!(
                    found[0] as usize,
                    scan(&edges, f64::from(value)),
                    "{value} of {} bins",
                    edges.len() - 1
                );
            }
        }
    }
}

#[test]
fn zero_p_is_underflow_and_zero_q_overflow() {
    assert_eq!(log_bin(0.0, 0.0), 0);
    assert_eq!(log_bin(0.0, 1.0), 0);
    assert_eq!(log_bin(1e-45, 0.0) as usize, N_LOG_EDGES);
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

//! Bin edges and the rule that puts a value into a bin.

use crate::error::{Error, Result};

/// Most bins that one axis may have.
pub const MAX_BINS: usize = 1 << 16;
/// Most bins that each axis of the joint histogram may have.
pub const MAX_JOINT_BINS: usize = 1 << 10;

/// Strictly increasing float64 edges. A value's bin is (number of edges ≤ value) − 1, and the last edge itself
/// belongs to the last bin.
#[derive(Clone, Debug)]
pub struct Grid {
    edges: Vec<f64>,
    /// Bins per unit of the axis, where a linear guess is never off by more than one bin.
    linear: Option<f64>,
}

impl PartialEq for Grid {
    fn eq(&self, other: &Self) -> bool {
        self.edges == other.edges
    }
}

impl Grid {
    /// Check the edges of the axis called `name`, which must run from `low` to `high`.
    ///
    /// # Errors
    /// [`Error::Argument`] where there are fewer than two edges or too many, where one is not finite, where they do
    /// not rise strictly, or where they do not span the axis exactly.
    pub fn new(name: &str, edges: &[f64], low: f64, high: f64, max_bins: usize) -> Result<Self> {
        let n = edges.len();
        if n < 2 {
            return Err(Error::Argument(format!("{name} needs at least two edges, found {n}")));
        }
        if n - 1 > max_bins {
            return Err(Error::Argument(format!("{name} may have at most {max_bins} bins, found {}", n - 1)));
        }
        if let Some(at) = edges.iter().position(|edge| !edge.is_finite()) {
            return Err(Error::Argument(format!("{name} edges must be finite, edge {at} is {}", edges[at])));
        }
        if let Some(at) = edges.windows(2).position(|pair| pair[0] >= pair[1]) {
            let (left, right) = (edges[at], edges[at + 1]);
            return Err(Error::Argument(format!(
                "{name} edges must increase strictly, edge {} is {right} after {left}",
                at + 1
            )));
        }
        #[allow(clippy::float_cmp, reason = "the axis must be spanned exactly")]
        if edges[0] != low || edges[n - 1] != high {
            let (first, last) = (edges[0], edges[n - 1]);
            return Err(Error::Argument(format!(
                "{name} edges must run from {low} to {high} exactly, found {first} to {last}"
            )));
        }
        // Adding 0.0 turns −0.0 into 0.0, so that equal grids have equal bytes.
        let edges: Vec<f64> = edges.iter().map(|edge| edge + 0.0).collect();
        let linear = linear_scale(&edges);
        Ok(Self { edges, linear })
    }

    /// `n` bins of equal width on [`low`, `high`], edge k being `low + (high − low)·k/n`, where that is exact enough
    /// for the caller: 1/n and the like are divided once, never summed up.
    #[must_use]
    pub fn equal(low: f64, high: f64, n: u32) -> Self {
        let edges: Vec<f64> = (0..=n).map(|k| low + (high - low) * f64::from(k) / f64::from(n)).collect();
        let linear = linear_scale(&edges);
        Self { edges, linear }
    }

    /// The edges.
    #[must_use]
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// Number of bins.
    #[must_use]
    pub fn n_bins(&self) -> usize {
        self.edges.len() - 1
    }

    /// The bin of `value`, which must lie on the axis.
    #[must_use]
    pub fn bin(&self, value: f64) -> usize {
        let last = self.edges.len() - 2;
        let Some(scale) = self.linear else {
            return self.edges.partition_point(|edge| *edge <= value).saturating_sub(1).min(last);
        };
        let guess = guess(value - self.edges[0], scale).min(last);
        if value < self.edges[guess] {
            guess.saturating_sub(1)
        } else if value >= self.edges[guess + 1] {
            (guess + 1).min(last)
        } else {
            guess
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are at or above the first edge"
)]
fn guess(distance: f64, scale: f64) -> usize {
    (distance * scale) as usize
}

/// Bins per unit, if the guess for edge k is k or k − 1 for every k. The guess rises with the value, so for any value
/// of bin k it then is k − 1, k or k + 1, and one comparison on each side settles it.
fn linear_scale(edges: &[f64]) -> Option<f64> {
    let n = edges.len() - 1;
    #[allow(clippy::cast_precision_loss, reason = "at most MAX_BINS")]
    let scale = n as f64 / (edges[n] - edges[0]);
    let close = edges.iter().enumerate().all(|(k, edge)| {
        let guess = guess(edge - edges[0], scale);
        guess == k || guess + 1 == k
    });
    close.then_some(scale)
}

/// The grids of a fold: one for p and q, one for p − q, one for each axis of the joint histogram of p and q.
#[derive(Clone, Debug, PartialEq)]
pub struct Grids {
    /// Edges of the histograms of p and of q, from 0 to 1.
    pub probability: Grid,
    /// Edges of the histogram of p − q, from −1 to 1.
    pub difference: Grid,
    /// Edges of both axes of the joint histogram, from 0 to 1.
    pub joint: Grid,
}

impl Grids {
    /// Check the edges of all three axes.
    ///
    /// # Errors
    /// [`Error::Argument`], see [`Grid::new`].
    pub fn new(probability: &[f64], difference: &[f64], joint: &[f64]) -> Result<Self> {
        Ok(Self {
            probability: Grid::new("probability", probability, 0.0, 1.0, MAX_BINS)?,
            difference: Grid::new("difference", difference, -1.0, 1.0, MAX_BINS)?,
            joint: Grid::new("joint", joint, 0.0, 1.0, MAX_JOINT_BINS)?,
        })
    }
}

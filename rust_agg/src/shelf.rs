//! What is counted by prompt, on shelves of consecutive prompts: several threads add up at once, each another shelf.

use crate::sorted::{Sorted, add_lists};
use crate::sums::SampleSums;
use crate::token_counts::TokenCounts;

/// Prompts on a shelf.
pub const PROMPTS: usize = 256;

/// The shelf of the prompt with this index.
#[inline(always)]
#[must_use]
pub fn shelf_of(prompt: u32) -> usize {
    prompt as usize / PROMPTS
}

/// Empty shelves for so many prompts, of which the first `n_placed` have room for positions.
#[must_use]
pub fn shelves(n_prompts: usize, n_placed: usize) -> Vec<Shelf> {
    let firsts = (0..n_prompts).step_by(PROMPTS);
    let placed = firsts.map(|first| PROMPTS.min(n_placed.saturating_sub(first)));
    placed.map(|n| Shelf { positions: vec![Vec::new(); n], ..Shelf::default() }).collect()
}

/// The counts of consecutive prompts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// By (prompt index, sample).
    pub samples: Sorted<(u32, u16), SampleSums>,
    /// For each prompt, by position: judged tokens by verdict; the last one is never zero. Empty where they are not counted.
    pub positions: Vec<Vec<[u64; 2]>>,
    /// By (prompt index, token): judged tokens with q > p, by verdict. Kept by prompt, not by unit, so that distinct
    /// prompts stay distinct under any merge.
    pub tokens: TokenCounts,
}

impl Shelf {
    /// Add all counts of another, of the same prompts.
    pub fn merge(&mut self, other: Self) {
        self.samples.merge(other.samples);
        for (left, right) in self.positions.iter_mut().zip(other.positions) {
            if left.is_empty() {
                *left = right;
            } else {
                add_lists(left, &right);
            }
        }
        self.tokens.merge(other.tokens);
    }
}

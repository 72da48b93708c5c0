//! How many tokens a round asks for: the schedules, and a setting of one of them.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::replay::walk::Round;

/// Largest number that the columns of the records hold.
pub const LARGEST: u32 = u16::MAX as u32;

/// A schedule of γ. A new one is an implementation of this, a [`Kind`] and an arm in [`Kind::walk`](super::walk).
pub trait Schedule {
    /// γ of the next round, from γ of this round and how it went.
    fn next(&self, gamma: u32, round: Round) -> u32;
}

/// γ stays.
pub struct Constant;

impl Schedule for Constant {
    #[inline(always)]
    fn next(&self, gamma: u32, _: Round) -> u32 {
        gamma
    }
}

/// γ grows by 2 where all that was drafted was accepted and a further token followed, falls by 1 otherwise, not below 1.
/// As transformers counts: a round that drafts nothing is a success, one that ends in an accepted EOS is none.
pub struct Heuristic;

impl Schedule for Heuristic {
    #[inline(always)]
    fn next(&self, gamma: u32, round: Round) -> u32 {
        // γ is at least 1: without a branch, since which it is cannot be foreseen.
        let fallen = (gamma - 1).max(1);
        if round.is_success() { gamma + 2 } else { fallen }
    }
}

/// The schedules by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Constant`].
    Constant,
    /// [`Heuristic`]; γ can be carried over from one prompt to the next.
    Heuristic,
    /// [`Heuristic`]; every prompt starts anew.
    HeuristicTransient,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Constant, Self::Heuristic, Self::HeuristicTransient];

    /// Its name, as users write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Heuristic => "heuristic",
            Self::HeuristicTransient => "heuristic_transient",
        }
    }

    /// The schedule of this name.
    ///
    /// # Errors
    /// [`Error::Argument`] where there is none.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::Argument(format!("schedule: {name:?} is none of {known}"))
        })
    }
}

/// A schedule with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The schedule.
    pub kind: Kind,
    /// γ of the first round.
    pub gamma: u32,
    /// The draft stops after a token whose q is below this; 0 is never.
    pub threshold: f64,
    /// Most tokens of a continuation; none for as many as the paths may have.
    pub max_new_tokens: Option<u32>,
    /// The prompts through which γ is carried over, sample by sample; none where every path starts anew.
    pub order: Option<Arc<[u64]>>,
}

impl Setting {
    /// Check the numbers.
    ///
    /// # Errors
    /// [`Error::Argument`] where γ or the length is not between 1 and 65535, the threshold is not between 0 and 1, there
    /// is an order for another schedule than heuristic, or a prompt stands in it twice.
    pub fn new(
        kind: Kind,
        gamma: u64,
        threshold: f64,
        max_new_tokens: Option<u64>,
        order: Option<Vec<u64>>,
    ) -> Result<Self> {
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Error::Argument(format!(
                "confidence_threshold must be a number from 0 to 1, found {threshold}"
            )));
        }
        if order.is_some() && kind != Kind::Heuristic {
            return Err(Error::Argument(format!(
                "order is for the schedule heuristic, which carries its state over; found schedule {}",
                kind.name()
            )));
        }
        let mut sorted = order.clone().unwrap_or_default();
        sorted.sort_unstable();
        if let Some([twice, ..]) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::Argument(format!("order: prompt {twice} stands in it twice")));
        }
        Ok(Self {
            kind,
            gamma: in_range("num_assistant_tokens", gamma)?,
            // −0.0 is 0.0, so that equal settings have equal bits.
            threshold: threshold + 0.0,
            max_new_tokens: max_new_tokens.map(|n| in_range("max_new_tokens", n)).transpose()?,
            order: order.map(Into::into),
        })
    }
}

/// A number that the columns of the records hold, and that is not 0.
///
/// # Errors
/// [`Error::Argument`] where it is none.
pub fn in_range(name: &str, value: u64) -> Result<u32> {
    match u32::try_from(value) {
        Ok(value @ 1..=LARGEST) => Ok(value),
        _ => Err(Error::Argument(format!("{name} must be between 1 and {LARGEST}, found {value}"))),
    }
}

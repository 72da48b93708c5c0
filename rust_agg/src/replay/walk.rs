//! The law of a round, as transformers does it: where rounds of one path begin and end under one setting.
//!
//! What stands in a path does not depend on the setting. So a position at which a draft stops for one of three reasons
//! (rejected, EOS, below the threshold) is the same for every setting of that threshold, and the next such position is
//! looked up, not searched: a round costs the same however long it is.

#![allow(clippy::cast_possible_truncation, reason = "offsets have 16 bits")]

use super::schedule::{Constant, Heuristic, Kind, LARGEST, Schedule};

/// How the drafting and judging of a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// A rejection, at which the draft stopped as well: an EOS, or below the threshold.
    RejectedLast = 0,
    /// A rejection; the draft goes on as far as the round may.
    Rejected = 1,
    /// An accepted EOS: the text ends without a further token.
    Eos = 2,
    /// All accepted, the last one below the threshold.
    Threshold = 3,
    /// All accepted that the round could draft.
    Length = 4,
}

/// One round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// The offset at which it starts.
    pub start: u16,
    /// γ.
    pub requested: u16,
    /// Most tokens that it could draft: γ, or what is left of the length but one.
    pub limit: u16,
    /// Accepted tokens.
    pub accepted: u16,
    /// How it ended.
    pub end: End,
}

impl Round {
    /// Whether its last judged token was rejected.
    #[inline(always)]
    #[must_use]
    pub fn is_rejected(self) -> bool {
        (self.end as u8) < 2
    }

    /// Whether all that was drafted was accepted, and a further token followed.
    #[inline(always)]
    #[must_use]
    pub fn is_success(self) -> bool {
        (self.end as u8) > 2
    }

    /// Whether a token of the target's own follows: the correction or the bonus.
    #[inline(always)]
    #[must_use]
    pub fn has_next(self) -> bool {
        self.end != End::Eos
    }

    /// Emitted tokens.
    #[inline(always)]
    #[must_use]
    pub fn emitted(self) -> u32 {
        u32::from(self.accepted) + u32::from(self.has_next())
    }

    /// The offset after the accepted tokens: that of the next token, if there is one.
    #[inline(always)]
    #[must_use]
    pub fn next(self) -> u32 {
        u32::from(self.start) + u32::from(self.accepted)
    }

    /// Most tokens that the draft can go on for after the rejected one.
    #[inline(always)]
    #[must_use]
    pub fn room(self) -> u32 {
        if self.end == End::Rejected { u32::from(self.limit) - u32::from(self.accepted) - 1 } else { 0 }
    }

    /// Tokens that were judged.
    #[inline(always)]
    #[must_use]
    pub fn judged(self) -> u32 {
        u32::from(self.accepted) + u32::from(self.is_rejected())
    }

    /// Why drafting stopped before γ tokens, as the records have it (0 not, 1 length, 2 EOS, 3 threshold): given how many
    /// of them were discarded, and of a round with a rejection whether its last token ends a text.
    #[inline(always)]
    #[must_use]
    pub fn censored(self, n_discarded: u32, ends_in_eos: bool) -> u8 {
        if self.is_cut() {
            1
        } else if self.judged() + n_discarded == u32::from(self.requested) {
            0
        } else if self.end == End::Eos || (self.is_rejected() && ends_in_eos) {
            2
        } else {
            3
        }
    }

    /// Whether the length was too short for γ.
    #[inline(always)]
    #[must_use]
    pub fn is_cut(self) -> bool {
        self.limit < self.requested
    }
}

/// No stop on the rest of the path.
const NOWHERE: u32 = u32::MAX;

/// What became of a proposal, and whether the draft stops after it.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    /// It was not accepted.
    pub rejected: bool,
    /// It ends a text.
    pub eos: bool,
    /// Its q lies below the threshold.
    pub below: bool,
}

/// For each offset of a path, the first one at or after it at which a draft that comes so far stops, × 4 + how (the first
/// four of [`End`]). Pushed behind what `stops` holds.
#[inline(always)]
pub fn push_stops(fates: impl DoubleEndedIterator<Item = Fate> + ExactSizeIterator, stops: &mut Vec<u32>) {
    let first = stops.len();
    stops.resize(first + fates.len(), 0);
    let mut stop = NOWHERE;
    for (offset, (at, fate)) in stops[first..].iter_mut().zip(fates).enumerate().rev() {
        let Fate { rejected, eos, below } = fate;
        let end = match (rejected, eos) {
            (true, eos) => u32::from(!(eos | below)),
            (false, true) => End::Eos as u32,
            (false, false) => End::Threshold as u32,
        };
        if rejected | eos | below {
            stop = (offset as u32) << 2 | end;
        }
        *at = stop;
    }
}

/// γ grew beyond what the records can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// The offset at which its round starts.
    pub start: u32,
    /// γ.
    pub gamma: u32,
}

impl Kind {
    /// Walk through a path, of which `stops` are known up to `limit` at most; `limit` tokens are the longest text. The
    /// rounds replace what `rounds` holds. Gives γ after the last one.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn walk(
        self,
        gamma: u32,
        limit: u32,
        stops: &[u32],
        rounds: &mut Vec<Round>,
    ) -> Result<u32, TooLarge> {
        match self {
            Self::Constant => walk(&Constant, gamma, limit, stops, rounds),
            Self::Heuristic | Self::HeuristicTransient => walk(&Heuristic, gamma, limit, stops, rounds),
        }
    }
}

#[inline(always)]
fn walk(
    schedule: &impl Schedule,
    mut gamma: u32,
    limit: u32,
    stops: &[u32],
    rounds: &mut Vec<Round>,
) -> Result<u32, TooLarge> {
    rounds.clear();
    let mut start = 0;
    while let Some(stop) = stops.get(start as usize) {
        if gamma > LARGEST {
            return Err(TooLarge { start, gamma });
        }
        let may = gamma.min(limit - start - 1);
        let (at, how) = (stop >> 2, stop & 3);
        let through = at >= start + may;
        // A stop at an accepted token counts as accepted.
        let accepted = if through { may } else { at - start + (how >> 1) };
        let how = if through { End::Length as u32 } else { how };
        let end = match how {
            0 => End::RejectedLast,
            1 => End::Rejected,
            2 => End::Eos,
            3 => End::Threshold,
            _ => End::Length,
        };
        let round = Round {
            start: start as u16,
            requested: gamma as u16,
            limit: may as u16,
            accepted: accepted as u16,
            end,
        };
        rounds.push(round);
        start += round.emitted();
        gamma = schedule.next(gamma, round);
    }
    Ok(gamma)
}

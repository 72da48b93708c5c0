//! Surer-draft tokens by prompt: written to a log first, and added up when the log is long.
//!
//! The prompts of a trace come one after another, each with a few dozen tokens. A hash table of all (prompt, token)
//! would miss the cache at almost every one of them; a log is written in order, and sorting it touches the tokens of
//! one prompt at a time.

#![allow(clippy::cast_possible_truncation, reason = "tokens have 32 bits, and a log is short")]

use crate::chunk::CHUNK;
use crate::sorted::Sorted;
use crate::token_counts::TokenCounts;

/// Entries that a log may hold before it is added up, at least.
const LOG: usize = 1 << 23;
/// Room for the entries of the longest run.
const RUN: usize = CHUNK;

/// What a log is given of a row: its token × 4, 2 if the row counts (it is judged, and q > p), 1 if it was accepted. The
/// code is that of [`crate::chunk::N_CODES`].
#[inline(always)]
#[must_use]
pub fn item_of(token: u32, code: u8) -> u64 {
    // Bits 3, 4, 6 and 7: the codes of judged tokens with q > p.
    let counts = (0b1101_1000_u32 >> code) & 1;
    let accepted = u32::from(code == 4) | u32::from(code == 7);
    (u64::from(token) << 2) | u64::from((counts << 1) | accepted)
}

/// Counts of (prompt, token) by verdict, those of the last rows still in a log.
#[derive(Debug, Default)]
pub struct TokenLog {
    /// Prompt index and where its entries begin, for each run.
    runs: Vec<(u32, u32)>,
    /// Token × 2 + verdict, up to `end`; there is always room for one run more.
    log: Vec<u32>,
    end: usize,
    counted: TokenCounts,
    /// Tokens too large for the log, of which no vocabulary knows.
    large: Vec<((u32, u32), [u64; 2])>,
}

impl TokenLog {
    /// Count the tokens of a run of rows of one prompt, at most a chunk of them, see [`item_of`].
    #[inline(always)]
    pub fn add(&mut self, prompt: u32, items: &[u64]) {
        if self.end + RUN > self.log.len() {
            self.make_room();
        }
        if items.iter().fold(0, |bits, item| bits | item) >> 33 != 0 {
            self.add_large(prompt, items);
            return;
        }
        self.runs.push((prompt, self.end as u32));
        // Written always, kept where it counts: a branch would be mispredicted at every third row.
        let mut end = self.end;
        for item in items {
            self.log[end] = ((item >> 2) << 1) as u32 | (item & 1) as u32;
            end += ((item >> 1) & 1) as usize;
        }
        self.end = end;
    }

    /// Everything counted so far; the log is empty then.
    pub fn take(&mut self) -> TokenCounts {
        self.add_up();
        self.log = Vec::new();
        std::mem::take(&mut self.counted)
    }

    /// Let the log grow up to its limit, or else add it up. The limit follows what has been counted, so that all of that
    /// is merged again only when the log is half as long.
    #[inline(never)]
    fn make_room(&mut self) {
        let limit = LOG.max(self.counted.len() / 2);
        if self.log.len() < limit {
            self.log.resize((2 * self.log.len()).clamp(LOG / 64, limit) + RUN, 0);
        } else {
            self.add_up();
        }
    }

    #[inline(never)]
    fn add_large(&mut self, prompt: u32, items: &[u64]) {
        for item in items.iter().filter(|item| **item & 2 == 2) {
            let accepted = item & 1;
            self.large.push(((prompt, (item >> 2) as u32), [1 - accepted, accepted]));
        }
        if self.large.len() >= LOG {
            self.add_up_large();
        }
    }

    fn add_up_large(&mut self) {
        let sorted = Sorted::new(std::mem::take(&mut self.large));
        let mut counts = TokenCounts::default();
        for ((prompt, token), both) in sorted.entries() {
            counts.push(*prompt, *token, *both);
        }
        self.counted.merge(counts);
    }

    /// Count what is in the log.
    pub fn add_up(&mut self) {
        if self.runs.is_empty() && self.large.is_empty() {
            return;
        }
        let ends = self.runs.iter().skip(1).map(|run| run.1 as usize).chain([self.end]);
        let mut runs: Vec<_> =
            self.runs.iter().zip(ends).map(|(run, end)| (run.0, run.1 as usize..end)).collect();
        runs.sort_unstable_by_key(|run| (run.0, run.1.start));
        let (mut counts, mut tokens) = (TokenCounts::default(), Vec::new());
        for runs in runs.chunk_by(|left, right| left.0 == right.0) {
            tokens.clear();
            for (_, rows) in runs {
                tokens.extend_from_slice(&self.log[rows.clone()]);
            }
            tokens.sort_unstable();
            for same in tokens.chunk_by(|left, right| left >> 1 == right >> 1) {
                let accepted = same.iter().map(|token| u64::from(token & 1)).sum();
                let rejected = same.len() as u64 - accepted;
                counts.push(runs[0].0, same[0] >> 1, [rejected, accepted]);
            }
        }
        self.counted.merge(counts);
        self.add_up_large();
        self.runs.clear();
        self.end = 0;
    }
}

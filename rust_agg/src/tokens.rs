//! Surer-draft tokens by prompt: written to a log first, and added up when the log is long.
//!
//! The prompts of a trace come one after another, each with a few dozen tokens. A hash table of all (prompt, token)
//! would miss the cache at almost every one of them; a log is written in order, and sorting it touches the tokens of
//! one prompt at a time.

#![allow(clippy::cast_possible_truncation, reason = "tokens have 32 bits, and a log is short")]

use std::ops::Range;

use crate::chunk::CHUNK;
use crate::shelf::shelf_of;
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
    /// Where the entries of the runs stand, once the log is closed: sorted by prompt.
    index: Vec<(u32, Range<u32>)>,
    /// What has been added up, by shelf.
    counted: Vec<TokenCounts>,
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

    /// Say where the entries of each prompt stand, which [`counts`] asks for; no more can be added then.
    pub fn close(&mut self) {
        self.add_up_large();
        let ends = self.runs.iter().skip(1).map(|run| run.1).chain([self.end as u32]);
        self.index = self.runs.iter().zip(ends).map(|(run, end)| (run.0, run.1..end)).collect();
        self.index.sort_by_key(|run| run.0);
    }

    /// The runs of a shelf's prompts, sorted by prompt.
    fn runs_of(&self, at: usize) -> impl Iterator<Item = (u32, &[u32])> {
        let first = self.index.partition_point(|run| shelf_of(run.0) < at);
        let runs = self.index[first..].iter().take_while(move |run| shelf_of(run.0) == at);
        runs.map(|(prompt, rows)| (*prompt, &self.log[rows.start as usize..rows.end as usize]))
    }

    /// Let the log grow up to its limit, or else add it up. The limit follows what has been counted, so that all of that
    /// is merged again only when the log is half as long.
    #[inline(never)]
    fn make_room(&mut self) {
        let limit = LOG.max(self.counted.iter().map(TokenCounts::len).sum::<usize>() / 2);
        if self.log.len() < limit {
            self.log.resize((2 * self.log.len()).clamp(LOG / 64, limit) + RUN, 0);
        } else {
            self.add_up();
        }
    }

    /// Count what is in the log, and begin it anew.
    fn add_up(&mut self) {
        self.close();
        let shelves = self.index.last().map_or(0, |run| shelf_of(run.0) + 1);
        for at in 0..shelves.max(self.counted.len()) {
            let counts = counts([&*self], at);
            *self.shelf(at) = counts;
        }
        self.index.clear();
        self.runs.clear();
        self.end = 0;
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
        for entries in sorted.entries().chunk_by(|left, right| shelf_of(left.0.0) == shelf_of(right.0.0)) {
            let mut counts = TokenCounts::default();
            for ((prompt, token), both) in entries {
                counts.push(*prompt, *token, *both);
            }
            self.shelf(shelf_of(entries[0].0.0)).merge(counts);
        }
    }

    fn shelf(&mut self, at: usize) -> &mut TokenCounts {
        if self.counted.len() <= at {
            self.counted.resize_with(at + 1, TokenCounts::default);
        }
        &mut self.counted[at]
    }
}

/// Add up what closed logs hold of the prompts of a shelf.
#[must_use]
pub fn counts<'a>(logs: impl IntoIterator<Item = &'a TokenLog> + Clone, at: usize) -> TokenCounts {
    let mut runs: Vec<_> = logs.clone().into_iter().flat_map(|log| log.runs_of(at)).collect();
    runs.sort_by_key(|run| run.0);
    let (mut counts, mut tokens) = (TokenCounts::default(), Vec::new());
    for runs in runs.chunk_by(|left, right| left.0 == right.0) {
        tokens.clear();
        for (_, run) in runs {
            tokens.extend_from_slice(run);
        }
        tokens.sort_unstable();
        for same in tokens.chunk_by(|left, right| left >> 1 == right >> 1) {
            let accepted = same.iter().map(|token| u64::from(token & 1)).sum();
            let rejected = same.len() as u64 - accepted;
            counts.push(runs[0].0, same[0] >> 1, [rejected, accepted]);
        }
    }
    for log in logs {
        counts.merge(log.counted.get(at).cloned().unwrap_or_default());
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More entries than a log may hold: it is added up in between, and again.
    #[test]
    fn a_long_log_is_added_up_on_the_way() {
        const PROMPTS: u32 = 600;
        let n_runs = 2 * u32::try_from(LOG / RUN).unwrap_or_default() + 77;
        let items: Vec<u64> =
            (0..512).map(|token| item_of(token, if token % 2 == 0 { 6 } else { 7 })).collect();
        let mut log = TokenLog::default();
        (0..n_runs).for_each(|run| log.add(run % PROMPTS, &items));
        assert!(!log.counted.is_empty(), "the log was never full");
        log.close();
        let mut n = 0;
        for at in 0..=shelf_of(PROMPTS) {
            for (prompt, token, counts) in counts([&log], at).iter() {
                assert_eq!((prompt, token), (n / 512, n % 512));
                let runs = u64::from(n_runs / PROMPTS + u32::from(prompt < n_runs % PROMPTS));
                assert_eq!(counts, if token % 2 == 0 { [runs, 0] } else { [0, runs] });
                n += 1;
            }
        }
        assert_eq!(n, PROMPTS * 512);
    }
}

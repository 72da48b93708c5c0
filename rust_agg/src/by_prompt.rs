//! What one thread counts by prompt, and how the counts of all threads become shelves.

use crate::cells::N_VERDICTS;
use crate::shelf::{PROMPTS, Shelf, shelf_of};
use crate::sorted::{Add, Sorted, add_lists};
use crate::sums::SampleSums;
use crate::tokens::{self, TokenLog};

/// Sums by prompt and sample that a shelf takes before those of one key are first added up.
const FIRST_COMPACTION: usize = 1 << 12;

/// Counts by prompt, in the order in which they came.
#[derive(Debug)]
pub struct ByPrompt {
    /// By shelf.
    samples: Vec<Vec<((u32, u16), SampleSums)>>,
    /// By prompt: position × verdict.
    positions: Vec<Vec<u32>>,
    tokens: TokenLog,
}

impl ByPrompt {
    /// Nothing yet, of so many prompts, of which the first `n_placed` have room for positions.
    #[must_use]
    pub fn new(n_prompts: usize, n_placed: usize) -> Self {
        Self {
            samples: vec![Vec::new(); n_prompts.div_ceil(PROMPTS)],
            positions: vec![Vec::new(); n_placed],
            tokens: TokenLog::default(),
        }
    }

    /// Add sums to those of a prompt and sample: mostly the last one of its shelf, or a new one.
    pub fn add_sample(&mut self, key: (u32, u16), sums: SampleSums) {
        let samples = &mut self.samples[shelf_of(key.0)];
        match samples.last_mut() {
            Some((last, known)) if *last == key => known.add(&sums),
            _ => {
                if samples.len() == samples.capacity() && samples.len() >= FIRST_COMPACTION {
                    *samples = Sorted::of([samples.as_slice()]).into_entries();
                    samples.reserve(samples.len());
                }
                samples.push((key, sums));
            }
        }
    }

    /// The counters of a prompt's positions, with room for the place `largest` at least.
    #[inline(always)]
    pub fn positions(&mut self, prompt: u32, largest: usize) -> &mut [u32] {
        let counts = &mut self.positions[prompt as usize];
        if counts.len() <= largest {
            counts.resize((largest / N_VERDICTS + 1) * N_VERDICTS, 0);
        }
        counts
    }

    /// Count the tokens of a run of rows of one prompt, see [`TokenLog::add`].
    #[inline(always)]
    pub fn add_tokens(&mut self, prompt: u32, items: &[u64]) {
        self.tokens.add(prompt, items);
    }

    /// What can be done before the counts of other threads are there.
    pub fn close(&mut self) {
        self.tokens.close();
    }
}

/// Add up what threads have counted of the prompts of a shelf; each has closed its counts.
#[must_use]
pub fn shelf(counted: &[ByPrompt], at: usize) -> Shelf {
    let samples = Sorted::of(counted.iter().map(|one| one.samples[at].as_slice()));
    let n_placed = counted.first().map_or(0, |one| one.positions.len());
    let prompts = at * PROMPTS..n_placed.min((at + 1) * PROMPTS);
    let positions = prompts.map(|prompt| {
        let mut sums = Vec::new();
        for one in counted {
            add_lists(&mut sums, &judged(&one.positions[prompt]));
        }
        sums
    });
    let logs = counted.iter().map(|one| &one.tokens);
    Shelf { samples, positions: positions.collect(), tokens: tokens::counts(logs, at) }
}

/// Judged tokens by position; the last one is not zero.
fn judged(counts: &[u32]) -> Vec<[u64; 2]> {
    let places = counts.chunks_exact(N_VERDICTS);
    let mut sums: Vec<_> = places.map(|place| [place[0].into(), place[1].into()]).collect();
    let n = sums.iter().rposition(|both| *both != [0, 0]).map_or(0, |last| last + 1);
    sums.truncate(n);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::item_of;

    /// However rows are dealt to threads, the shelves are the same; some shelves are full and the last one is not.
    #[test]
    fn threads_add_up_to_one() {
        const PROMPTS: u32 = 700;
        let mut counted = [4, 1].map(|n| -> Vec<_> {
            (0..n).map(|_| ByPrompt::new(PROMPTS as usize, PROMPTS as usize)).collect()
        });
        let mut state = 1_u32;
        let mut next = |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % n
        };
        for _ in 0..20_000 {
            let (prompt, token) = (next(PROMPTS), next(40));
            let (sample, code) =
                (u16::try_from(next(9)).unwrap_or_default(), u8::try_from(next(9)).unwrap_or_default());
            let (place, dealt) = (3 + next(30) as usize, next(4) as usize);
            for counted in &mut counted {
                let n = counted.len();
                let by_prompt = &mut counted[dealt % n];
                by_prompt.add_sample((prompt, sample), SampleSums { n_rounds: 1, ..SampleSums::default() });
                by_prompt.positions(prompt, place)[place] += 1;
                by_prompt.add_tokens(prompt, &[item_of(token << (code / 3), code)]);
            }
        }
        counted.iter_mut().flatten().for_each(ByPrompt::close);
        let [dealt, whole] = &counted;
        let mut n_rounds = 0;
        for at in 0..=shelf_of(PROMPTS - 1) {
            let sums = shelf(whole, at);
            assert_eq!(shelf(dealt, at), sums);
            n_rounds += sums.samples.entries().iter().map(|(_, sums)| sums.n_rounds).sum::<u64>();
        }
        assert_eq!(n_rounds, 20_000);
    }
}

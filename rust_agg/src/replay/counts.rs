//! The counters of one thread: what a position counts for is the same under every setting, which only decides what is
//! judged. So all positions are counted once, and each setting counts those that it skips (where a bonus token falls, or
//! nothing was drafted): few, since most positions of a round are judged.

#![allow(clippy::cast_possible_truncation, reason = "rows of a batch are fewer than 2³²")]

use super::drive::{Batch, Failure};
use super::marks::{Marks, N_JUDGED};
use super::paths::Path;
use super::sums::Sums;
use super::tail_rows::{Discarded, Tails};
use super::tally::{Plans, Tally};
use super::task::Task;
use super::walk::{End, Round};
use crate::parts::{Part, Parts};
use crate::state::Setup;
use crate::sums::SampleSums;

/// Draft positions that have room from the start.
const POSITIONS: usize = 32;

/// Counters of one setting.
pub struct Counts {
    parts: Parts,
    /// What its skipped positions count for.
    pub skipped: Tally,
    /// Its discarded tokens, by block of groups.
    pub n_discarded: Vec<u64>,
    /// Whether p is missing of a discarded token.
    pub lacks_p: bool,
    pub positions: Positions,
    pub samples: Vec<((u32, u16), SampleSums)>,
    /// By prompt and draft position: rejected and accepted.
    pub prompt_positions: Vec<Vec<[u32; N_JUDGED]>>,
    pub n_rows: u64,
    pub n_rows_unmapped: u64,
    pub n_rounds: u64,
    pub n_rounds_unmapped: u64,
    /// Of the path at hand: rows that are skipped, and rounds after which tokens may be discarded.
    rows: Vec<u32>,
    open: Vec<u32>,
    /// What is discarded in these.
    discarded: Vec<Discarded>,
}

/// Rounds by how they went, by block of groups; draft positions follow from them.
#[derive(Clone, Debug)]
pub struct Positions {
    /// Rooms in each of the four lists of a block.
    pub width: usize,
    /// Rounds by accepted tokens, without and with a rejection; rounds with discarded tokens by the position of the first
    /// and of the last one.
    pub lists: Vec<u32>,
}

impl Positions {
    /// The four lists of a block.
    #[must_use]
    pub fn block(&self, block: usize) -> [&[u32]; 4] {
        let mut lists = self.lists[block * 4 * self.width..].chunks_exact(self.width);
        [(); 4].map(|()| lists.next().unwrap_or_default())
    }

    fn make_room(&mut self, longest: usize) {
        if longest < self.width {
            return;
        }
        let width = (longest + 1).next_power_of_two();
        let mut lists = vec![0; self.lists.len() / self.width * width];
        for (wide, narrow) in lists.chunks_exact_mut(width).zip(self.lists.chunks_exact(self.width)) {
            wide[..self.width].copy_from_slice(narrow);
        }
        (self.width, self.lists) = (width, lists);
    }
}

/// A path under one setting.
pub struct Walked<'a> {
    pub path: &'a Path,
    /// The prompt's index, if it is in any group.
    pub index: Option<u32>,
    /// How many of its rows the setting uses.
    pub n: usize,
    pub rounds: &'a [Round],
    /// Which threshold is the setting's.
    pub threshold: usize,
    /// The sums of all rows that the setting uses.
    pub all: Option<&'a Sums>,
}

/// What a batch of paths offers to every setting.
pub struct Prepared<'a> {
    pub batch: &'a Batch<'a>,
    pub plans: &'a Plans,
    pub marks: &'a Marks,
    pub tails: Option<&'a Tails>,
    pub tail_marks: &'a Marks,
}

impl Counts {
    /// Counters at zero.
    #[must_use]
    pub fn new(setup: &Setup, plans: &Plans) -> Self {
        let n_blocks = plans.groups.targets().len();
        let width = if setup.parts.has(Part::Positions) { POSITIONS } else { 0 };
        Self {
            parts: setup.parts,
            skipped: Tally::new(setup, plans),
            n_discarded: vec![0; n_blocks],
            lacks_p: false,
            positions: Positions { width, lists: vec![0; n_blocks * 4 * width] },
            samples: Vec::new(),
            prompt_positions: vec![Vec::new(); setup.n_placed_prompts()],
            n_rows: 0,
            n_rows_unmapped: 0,
            n_rounds: 0,
            n_rounds_unmapped: 0,
            rows: Vec::new(),
            open: Vec::new(),
            discarded: Vec::new(),
        }
    }

    /// The rows of the last path that are skipped.
    #[must_use]
    pub fn skipped_rows(&self) -> &[u32] {
        &self.rows
    }

    /// What is discarded of the tails of the last path.
    #[must_use]
    pub fn discarded(&self) -> &[Discarded] {
        &self.discarded
    }

    /// Count a path.
    ///
    /// # Errors
    /// A [`Failure`] where a tail is needed that is not there, or is too short.
    pub fn add(
        &mut self,
        prepared: &Prepared<'_>,
        walked: &Walked<'_>,
        task: &Task,
        setting: usize,
    ) -> Result<(), Failure> {
        let Walked { path, index, n, rounds, .. } = *walked;
        self.skip(rounds, path.rows.start as u32);
        self.discarded.clear();
        if let Some(tails) = prepared.tails {
            self.discard(tails, walked).map_err(|(row, found, room)| {
                task.short_tail(prepared.batch, path, row, found, room, setting)
            })?;
        }
        let n_discarded: usize = self.discarded.iter().map(|discarded| discarded.rows.len()).sum();
        let n_rows = (n - self.rows.len() + n_discarded) as u64;
        // A fold reads rounds for this part alone.
        let n_rounds = if self.parts.has(Part::Prompts) { rounds.len() as u64 } else { 0 };
        let Some(index) = index else {
            self.n_rows_unmapped += n_rows;
            self.n_rounds_unmapped += n_rounds;
            return Ok(());
        };
        self.n_rows += n_rows;
        self.n_rounds += n_rounds;
        let skipped = self.rows.iter().map(|row| *row as usize);
        self.skipped.add(prepared.marks, prepared.plans, index, skipped.clone());
        self.skipped.add_ratios(prepared.marks, skipped);
        let blocks = prepared.plans.groups.blocks(index);
        for block in blocks {
            self.n_discarded[*block as usize] += n_discarded as u64;
        }
        if self.parts.has(Part::Positions) {
            self.add_positions(blocks, rounds);
        }
        if self.parts.has(Part::PromptPositions) {
            self.add_prompt_positions(index, rounds);
        }
        if let Some(all) = walked.all {
            let mut sums = all.without(prepared.marks, &self.rows).sums();
            sums.verdicts[2] = n_discarded as u64;
            sums.n_rounds = n_rounds;
            sums.n_emitted = n as u64;
            sums.n_requested = rounds.iter().map(|round| u64::from(round.requested)).sum();
            sums.cut = self.cut(prepared, walked);
            self.samples.push(((index, path.sample), sums));
        }
        Ok(())
    }

    /// The rows that are skipped: those of a token of the target's own after all that was drafted was accepted.
    #[inline(always)]
    fn skip(&mut self, rounds: &[Round], first: u32) {
        // Written always, kept where it counts: a branch would be mispredicted often.
        self.rows.resize(rounds.len(), 0);
        let mut end = 0;
        for round in rounds {
            self.rows[end] = first + round.next();
            end += usize::from(round.is_success());
        }
        self.rows.truncate(end);
    }

    /// What is discarded. Where a tail is too short: the row of the rejected proposal, what there is of the tail, and what
    /// may be needed.
    #[inline(always)]
    fn discard(&mut self, tails: &Tails, walked: &Walked<'_>) -> Result<(), (usize, u32, u32)> {
        self.open.resize(walked.rounds.len(), 0);
        let mut end = 0;
        for (at, round) in walked.rounds.iter().enumerate() {
            self.open[end] = at as u32;
            end += usize::from(round.room() > 0);
        }
        self.open.truncate(end);
        for at in &self.open {
            let round = walked.rounds[*at as usize];
            let (row, room) = (walked.path.rows.start + round.next() as usize, round.room());
            let found = tails.discarded(row, room, walked.threshold).map_err(|found| (row, found, room))?;
            self.lacks_p |= tails.lack_p(&found.rows);
            self.discarded.push(found);
        }
        Ok(())
    }

    /// Rounds that drafted less than was asked for: because of the length, of EOS, of the threshold.
    fn cut(&self, prepared: &Prepared<'_>, walked: &Walked<'_>) -> [u64; 3] {
        let mut cut = [0; 3];
        if prepared.tails.is_none() {
            // The other two cannot be known.
            cut[0] = walked.rounds.iter().map(|round| u64::from(round.is_cut())).sum();
            return cut;
        }
        let mut discarded = self.discarded.iter();
        for round in walked.rounds {
            let (n, ends) = if round.room() > 0 {
                discarded.next().map_or((0, false), |found| (found.rows.len(), found.ends_in_eos))
            } else {
                let row = walked.path.rows.start + round.next() as usize;
                (0, round.end == End::RejectedLast && prepared.batch.ends[row])
            };
            if let Some(reason) = round.censored(n as u32, ends).checked_sub(1) {
                cut[usize::from(reason)] += 1;
            }
        }
        cut
    }

    fn add_positions(&mut self, blocks: &[u32], rounds: &[Round]) {
        let longest = rounds.iter().fold(0, |longest, round| longest.max(round.limit));
        self.positions.make_room(usize::from(longest) + 1);
        let width = self.positions.width;
        for block in blocks {
            let lists = &mut self.positions.lists[*block as usize * 4 * width..][..4 * width];
            for round in rounds {
                lists[usize::from(round.accepted) + width * usize::from(round.is_rejected())] += 1;
            }
            for (at, discarded) in self.open.iter().zip(&self.discarded) {
                let first = usize::from(rounds[*at as usize].accepted) + 2;
                lists[2 * width + first] += 1;
                lists[3 * width + first + discarded.rows.len() - 1] += 1;
            }
        }
    }

    fn add_prompt_positions(&mut self, index: u32, rounds: &[Round]) {
        let counts = &mut self.prompt_positions[index as usize];
        for round in rounds {
            let last = round.judged() as usize;
            if counts.len() <= last && last > 0 {
                counts.resize(last + 1, [0; N_JUDGED]);
            }
            counts.iter_mut().skip(1).take(round.accepted.into()).for_each(|counts| counts[1] += 1);
            if round.is_rejected() {
                counts[last][0] += 1;
            }
        }
    }
}

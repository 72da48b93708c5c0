//! Whole paths in columns, and what must hold for them.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_array::types::{Float32Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};

use crate::columns::slice;
use crate::error::Fault;
use crate::pages::PathBlock;
use crate::rows::{MAX_ENTROPY, check_probability, exceeds};
use crate::runs::{self, KeyRun};

/// A path: whose it is, and its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The prompt's id.
    pub prompt: u64,
    /// The sample.
    pub sample: u16,
    /// Its rows.
    pub rows: Range<usize>,
}

macro_rules! columns {
    ($($name:ident: $type:ty, $arrow:ty;)*) => {
        /// Rows of `paths` that stand together in one source: one row per emitted token.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(missing_docs, reason = "the names are those of the columns")]
        pub struct Paths {
            /// Rows of the source before these.
            pub first_row: u64,
            /// One for each path.
            pub runs: Vec<KeyRun>,
            $(pub $name: Vec<$type>,)*
        }

        impl Paths {
            /// Forget all rows; the next ones come after so many of their source.
            pub fn clear(&mut self, first_row: u64) {
                self.first_row = first_row;
                self.runs.clear();
                $(self.$name.clear();)*
            }

            fn truncate(&mut self, rows: usize) {
                self.runs.retain(|run| run.end as usize <= rows);
                $(self.$name.truncate(rows);)*
            }

            fn extend(&mut self, other: &Self, rows: Range<usize>) {
                self.extend_runs(&other.runs, &rows, &other.offset);
                $(if !other.$name.is_empty() { self.$name.extend_from_slice(&other.$name[rows.clone()]); })*
            }

            /// Add rows of a block, of which `runs` says whose they are; overlap and entropy only where `measured`.
            pub fn extend_block(&mut self, block: &PathBlock, runs: &[KeyRun], rows: Range<usize>, measured: bool) {
                self.extend_runs(runs, &rows, &block.offset);
                $(if measured || !is_measure(stringify!($name)) {
                    self.$name.extend_from_slice(&block.$name[rows.clone()]);
                })*
            }

            /// The same with rows of a batch; none where it is not of the schema.
            pub fn extend_batch(&mut self, batch: &RecordBatch, rows: Range<usize>, measured: bool) -> Option<()> {
                let mut runs = Vec::new();
                let prompt = slice::<UInt64Type>(batch, "prompt")?;
                runs::cut(prompt, slice::<UInt16Type>(batch, "sample")?, &mut runs);
                self.extend_runs(&runs, &rows, slice::<UInt16Type>(batch, "offset")?);
                $(if measured || !is_measure(stringify!($name)) {
                    let values = slice::<$arrow>(batch, stringify!($name))?;
                    self.$name.extend_from_slice(&values[rows.clone()]);
                })*
                Some(())
            }
        }
    };
}

/// Whether a column may be left out.
fn is_measure(column: &str) -> bool {
    matches!(column, "overlap" | "entropy")
}

columns! {
    offset: u16, UInt16Type;
    token: u32, UInt32Type;
    proposal: u32, UInt32Type;
    fate: u8, UInt8Type;
    p: f32, Float32Type;
    q: f32, Float32Type;
    proposal_p: f32, Float32Type;
    proposal_q: f32, Float32Type;
    overlap: f32, Float32Type;
    entropy: f32, Float32Type;
}

impl Paths {
    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.offset.len()
    }

    /// The paths, in the order of their rows.
    pub fn iter(&self) -> impl Iterator<Item = Path> + '_ {
        let starts = std::iter::once(0).chain(self.runs.iter().map(|run| run.end as usize));
        let paths = self.runs.iter().zip(starts);
        paths.map(|(run, start)| Path {
            prompt: run.prompt,
            sample: run.sample,
            rows: start..run.end as usize,
        })
    }

    /// Rows of all paths but the last, which may go on.
    #[must_use]
    pub fn n_whole_rows(&self) -> usize {
        self.runs.len().checked_sub(2).map_or(0, |at| self.runs[at].end as usize)
    }

    /// Move the rows from `row` on, at which a path begins, to `rest`, which they replace.
    pub fn split_off(&mut self, row: usize, rest: &mut Self) {
        rest.clear(self.first_row + row as u64);
        rest.extend(self, row..self.n_rows());
        self.truncate(row);
    }

    /// Keep whole paths only, up to the one in which `row` stands, which goes.
    pub fn keep_before(&mut self, row: usize) {
        let kept = self.iter().map(|path| path.rows.end).take_while(|end| *end <= row).last();
        self.truncate(kept.unwrap_or(0));
    }

    /// Add runs of rows of one prompt and sample, cut at every offset 0: there a path begins, and sources are cut there.
    fn extend_runs(&mut self, runs: &[KeyRun], rows: &Range<usize>, offset: &[u16]) {
        let mut start = rows.start;
        for run in runs {
            let end = rows.end.min(run.end as usize);
            while start < end {
                let next = offset[start + 1..end].iter().position(|offset| *offset == 0);
                let next = next.map_or(end, |at| start + 1 + at);
                let n = u32::try_from(next - start).expect("a block is short");
                match self.runs.last_mut() {
                    Some(last)
                        if (last.prompt, last.sample) == (run.prompt, run.sample) && offset[start] > 0 =>
                    {
                        last.end += n;
                    }
                    last => {
                        let before = last.map_or(0, |last| last.end);
                        self.runs.push(KeyRun { end: before + n, ..*run });
                    }
                }
                start = next;
            }
        }
    }

    /// For each row, whether its token and whether its proposal ends a text.
    #[must_use]
    pub fn ends(&self, eos: &[u32]) -> [Vec<bool>; 2] {
        [&self.token, &self.proposal].map(|tokens| {
            let mut ends = vec![false; tokens.len()];
            for eos in eos {
                for (ends, token) in ends.iter_mut().zip(tokens) {
                    *ends |= token == eos;
                }
            }
            ends
        })
    }

    /// The first row that breaks the contract, and in it the first column. `ends` says of each row whether its token ends
    /// the text; a path has at most `longest` rows, and fewer only where its last token does.
    #[must_use]
    pub fn first_fault(&self, ends: &[bool], longest: u32) -> Option<Fault> {
        if self.iter().all(|path| self.is_fine(&path, ends, longest)) {
            return None;
        }
        self.iter().find_map(|path| {
            path.rows.clone().find_map(|row| self.fault_of(&path, row, ends, longest as usize))
        })
    }

    /// Whether certainly no row breaks the contract, decided without branches.
    #[allow(clippy::needless_bitwise_bool, reason = "no branches")]
    fn is_fine(&self, path: &Path, ends: &[bool], longest: u32) -> bool {
        let (rows, n, longest) = (path.rows.clone(), path.rows.len(), longest as usize);
        if n > longest || (n < longest && !ends[rows.end - 1]) {
            return false;
        }
        let offsets = self.offset[rows.clone()].iter().zip(0..);
        let gaps = offsets.fold(0, |differ, (offset, at): (_, u16)| differ | (offset ^ at));
        let early = ends[rows.start..rows.end - 1].iter().fold(false, |early, ends| early | ends);
        let mut improbable = [&self.p, &self.q, &self.proposal_p, &self.proposal_q]
            .iter()
            .fold(0, |improbable, values| improbable | exceeds(&values[rows.clone()], 1.0));
        if !self.entropy.is_empty() {
            let known = self.entropy[rows.clone()].iter().filter(|entropy| !entropy.is_nan());
            improbable |= known.fold(0, |found, entropy| found | exceeds(&[*entropy], MAX_ENTROPY));
        }
        let wrong = rows.fold(false, |wrong, row| {
            let same = self.token[row] == self.proposal[row];
            let accepted = self.fate[row] == 1;
            let differs = (self.p[row].to_bits() != self.proposal_p[row].to_bits())
                | (self.q[row].to_bits() != self.proposal_q[row].to_bits());
            wrong | (self.fate[row] > 1) | (same != accepted) | (accepted & differs)
        });
        gaps == 0 && !early && improbable >> 31 == 0 && !wrong
    }

    fn fault_of(&self, path: &Path, row: usize, ends: &[bool], longest: usize) -> Option<Fault> {
        let (at, fault) = (row - path.rows.start, |column, problem| Some(Fault { row, column, problem }));
        let Path { prompt, sample, .. } = path;
        if usize::from(self.offset[row]) != at {
            let found = self.offset[row];
            let whose = format!("prompt {prompt}, sample {sample}");
            return fault("offset", format!("{found} in the path of {whose}, wanted {at}"));
        }
        if at == longest {
            let problem = format!("{at}, a path has at most max_new_tokens = {longest} tokens");
            return fault("offset", problem);
        }
        if at > 0 && ends[row - 1] {
            return fault("token", format!("{}, after a token that ends the text", self.token[row]));
        }
        if row + 1 == path.rows.end && at + 1 < longest && !ends[row] {
            let problem = format!(
                "{}, which ends no text, and the path ends here with {} of max_new_tokens = {longest}",
                self.token[row],
                at + 1
            );
            return fault("token", problem);
        }
        if let Some(found) = self.fate_fault(row) {
            return Some(found);
        }
        let entropy = self.entropy.get(row).filter(|entropy| **entropy < 0.0 || **entropy > MAX_ENTROPY)?;
        fault("entropy", format!("{entropy} is no entropy in nats (NaN where not computed)"))
    }

    /// A fault of token, proposal, fate and their probabilities.
    #[allow(clippy::float_cmp, reason = "they are copies")]
    fn fate_fault(&self, row: usize) -> Option<Fault> {
        let (token, proposal, fate) = (self.token[row], self.proposal[row], self.fate[row]);
        let fault = |column, problem| Some(Fault { row, column, problem });
        match fate {
            1 if proposal != token => {
                return fault("proposal", format!("{proposal}, accepted, wanted the emitted token {token}"));
            }
            0 if proposal == token => {
                return fault("proposal", format!("{proposal}, rejected, and yet it is the emitted token"));
            }
            0 | 1 => {}
            _ => return fault("fate", format!("{fate} is no fate (0 rejected, 1 accepted)")),
        }
        let columns = [
            ("p", &self.p),
            ("q", &self.q),
            ("proposal_p", &self.proposal_p),
            ("proposal_q", &self.proposal_q),
        ];
        for (column, values) in columns {
            if let Err(fault) = check_probability(row, column, values[row]) {
                return Some(fault);
            }
        }
        for (column, proposed, own) in
            [("proposal_p", &self.proposal_p, &self.p), ("proposal_q", &self.proposal_q, &self.q)]
        {
            if fate == 1 && proposed[row] != own[row] {
                let (found, wanted) = (proposed[row], own[row]);
                return fault(
                    column,
                    format!("{found} of an accepted proposal, wanted {wanted} as of the token"),
                );
            }
        }
        None
    }
}

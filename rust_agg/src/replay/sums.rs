//! Sums of judged rows by prompt and sample.

use std::ops::Range;

use super::marks::{Marks, N_CODES};
use crate::sums::SampleSums;

/// Sums of judged rows of one prompt and sample.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    codes: [i64; N_CODES],
    n_overlap: i64,
    n_entropy: i64,
    overlap: i128,
    severity: i128,
    entropy: i128,
}

impl Sums {
    /// Those of rows.
    #[must_use]
    pub fn of(marks: &Marks, rows: Range<usize>) -> Self {
        let mut sums = Self::default();
        for row in rows {
            sums.add(marks, row, 1);
        }
        sums
    }

    #[inline(always)]
    fn add(&mut self, marks: &Marks, row: usize, sign: i64) {
        let measure = &marks.measures[row];
        self.codes[usize::from(marks.codes[row])] += sign;
        self.n_overlap += sign * i64::from(measure.n_overlap);
        self.n_entropy += sign * i64::from(measure.n_entropy);
        self.overlap += i128::from(sign * measure.overlap);
        self.severity += i128::from(sign * measure.severity);
        self.entropy += i128::from(sign * measure.entropy);
    }

    /// Those without some of the rows.
    #[must_use]
    pub fn without(self, marks: &Marks, rows: &[u32]) -> Self {
        let mut sums = self;
        for row in rows {
            sums.add(marks, *row as usize, -1);
        }
        sums
    }

    /// In the form of a state, without what rounds and discarded tokens add.
    #[must_use]
    pub fn sums(&self) -> SampleSums {
        let code = |at: usize| self.codes[at].unsigned_abs();
        let surer = |verdict: usize| code(verdict + 2) + code(verdict + 4);
        SampleSums {
            verdicts: [code(0) + surer(0), code(1) + surer(1), 0],
            surer: [0, 1].map(surer),
            over_confident: [code(4), code(5)],
            n_overlap: self.n_overlap.unsigned_abs(),
            sum_overlap: self.overlap,
            sum_severity: self.severity,
            n_entropy: self.n_entropy.unsigned_abs(),
            sum_entropy: self.entropy,
            ..SampleSums::default()
        }
    }
}

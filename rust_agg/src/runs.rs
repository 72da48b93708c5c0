//! Rows of one prompt and sample mostly stand together: a table's rows as runs of them.

use crate::pages::Runs;

/// Rows of one prompt and sample that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRun {
    /// The prompt's id.
    pub prompt: u64,
    /// The sample; 0 where samples are not read.
    pub sample: u16,
    /// The row after the last one; the first one is the end of the run before.
    pub end: u32,
}

/// The same code compiled for each generation of vector instructions, and chosen when it runs.
struct Cut<'a> {
    prompt: &'a [u64],
    sample: &'a [u16],
    runs: &'a mut Vec<KeyRun>,
}

impl pulp::WithSimd for Cut<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { prompt, sample, runs } = self;
        let mut start = 0;
        while start < prompt.len() {
            let end = run_end(prompt, sample, start);
            let sample = sample.get(start).copied().unwrap_or_default();
            runs.push(KeyRun {
                prompt: prompt[start],
                sample,
                end: u32::try_from(end).expect("a batch is short"),
            });
            start = end;
        }
    }
}

/// Cut rows into runs, which replace what `runs` holds. `sample` is as long as `prompt`, or empty where it is not read.
///
/// # Panics
/// Where there are 2³² rows or more.
pub fn cut(prompt: &[u64], sample: &[u16], runs: &mut Vec<KeyRun>) {
    runs.clear();
    pulp::Arch::new().dispatch(Cut { prompt, sample, runs });
}

/// The runs of both columns, which replace what `runs` holds. `sample` has as many rows as `prompt`, or none.
pub fn join(prompt: &Runs<u64>, sample: &Runs<u16>, runs: &mut Vec<KeyRun>) {
    runs.clear();
    let mut samples = sample.values.iter().copied().zip(sample.ends.iter().copied()).peekable();
    let mut start = 0;
    for (prompt, prompt_end) in prompt.values.iter().copied().zip(prompt.ends.iter().copied()) {
        while start < prompt_end {
            let (sample, sample_end) = samples.peek().copied().unwrap_or((0, prompt_end));
            if sample_end <= prompt_end {
                samples.next();
            }
            start = sample_end.min(prompt_end);
            runs.push(KeyRun { prompt, sample, end: start });
        }
    }
}

/// Where the run of equal prompts and samples that begins at `start` ends.
#[inline(always)]
fn run_end(prompt: &[u64], sample: &[u16], start: usize) -> usize {
    const STEP: usize = 16;
    let mut end = start + 1;
    let (key, of) = (prompt[start], sample.get(start).copied());
    // Whole steps without an early exit, which the compiler turns into vector code; then row by row.
    while let Some(step) = prompt.get(end..end + STEP) {
        let same = step.iter().fold(0, |differ, other| differ | (other ^ key)) == 0;
        let same = same
            && of.is_none_or(|of| {
                sample[end..end + STEP].iter().fold(0, |differ, other| differ | (other ^ of)) == 0
            });
        if !same {
            break;
        }
        end += STEP;
    }
    while end < prompt.len() && prompt[end] == key && sample.get(end).copied() == of {
        end += 1;
    }
    end
}

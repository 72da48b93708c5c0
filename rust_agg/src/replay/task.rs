//! What a replay is told beforehand: settings, and what every path must hold to.

use super::drive::{Batch, Failure, Rules};
use super::paths::{Path, Paths};
use super::schedule::{Setting, in_range};
use super::walk::{Fate, Round, TooLarge, push_stops};
use crate::error::{Error, Result};

/// Settings by name, and what they share: a threshold or a length that many have is looked at once.
#[derive(Clone, Debug)]
pub struct Task {
    /// Most tokens of a path.
    pub longest: u32,
    /// The tokens that end a text.
    pub eos: Vec<u32>,
    /// The settings.
    pub settings: Vec<Named>,
    /// Their thresholds.
    pub thresholds: Vec<f64>,
    /// Their lengths.
    pub limits: Vec<u32>,
}

/// A setting by name, with indices into the lists of its task.
#[derive(Clone, Debug)]
pub struct Named {
    /// How messages call it.
    pub name: String,
    /// The setting.
    pub setting: Setting,
    /// Which threshold.
    pub threshold: usize,
    /// Which length.
    pub limit: usize,
}

impl Task {
    /// Check settings against the paths' length.
    ///
    /// # Errors
    /// [`Error::Argument`] where that is not between 1 and 65535, or a setting is for longer texts.
    pub fn new(max_new_tokens: u64, eos: Vec<u32>, settings: Vec<(String, Setting)>) -> Result<Self> {
        let longest = in_range("max_new_tokens", max_new_tokens)?;
        let mut task =
            Self { longest, eos, settings: Vec::new(), thresholds: Vec::new(), limits: Vec::new() };
        for (name, setting) in settings {
            let limit = setting.max_new_tokens.unwrap_or(longest);
            if limit > longest {
                return Err(Error::Argument(format!(
                    "{name}: its max_new_tokens {limit} must be at most that of the paths, {longest}"
                )));
            }
            let threshold = place(&mut task.thresholds, setting.threshold);
            let limit = place(&mut task.limits, limit);
            task.settings.push(Named { name, setting, threshold, limit });
        }
        Ok(task)
    }

    /// What every path must hold to.
    #[must_use]
    pub fn rules(&self) -> Rules<'_> {
        Rules { longest: self.longest, eos: &self.eos }
    }

    /// For each threshold, the stops of all rows of a batch, see [`push_stops`]; they replace what `stops` holds.
    pub fn find_stops(&self, batch: &Batch<'_>, stops: &mut Vec<Vec<u32>>) {
        stops.resize_with(self.thresholds.len(), Vec::new);
        let Paths { fate, proposal_q, .. } = batch.paths;
        for (stops, threshold) in stops.iter_mut().zip(&self.thresholds) {
            stops.clear();
            for Path { rows, .. } in batch.paths.iter() {
                let rows = fate[rows.clone()].iter().zip(&batch.ends[rows.clone()]).zip(&proposal_q[rows]);
                let fates = rows.map(|((fate, eos), q)| Fate {
                    rejected: *fate == 0,
                    eos: *eos,
                    below: f64::from(*q) < *threshold,
                });
                push_stops(fates, stops);
            }
        }
    }

    /// Walk through a path under a setting, with γ at its beginning. Gives how many of its rows the setting uses.
    ///
    /// # Errors
    /// A [`Failure`] where γ grows too large.
    pub fn walk(
        &self,
        setting: usize,
        gamma: u32,
        batch: &Batch<'_>,
        path: &Path,
        stops: &[Vec<u32>],
        rounds: &mut Vec<Round>,
    ) -> std::result::Result<usize, Failure> {
        let Named { setting, threshold, limit, .. } = &self.settings[setting];
        let limit = self.limits[*limit];
        let n = path.rows.len().min(limit as usize);
        let stops = &stops[*threshold][path.rows.start..path.rows.start + n];
        match setting.kind.walk(gamma, limit, stops, rounds) {
            Ok(_) => Ok(n),
            Err(too_large) => {
                let row = path.rows.start + too_large.start as usize;
                Err(batch.fault(row, "fate", too_large.to_string()))
            }
        }
    }

    /// The failure that a tail is missing or too short for a setting.
    #[must_use]
    pub fn short_tail(
        &self,
        batch: &Batch<'_>,
        path: &Path,
        row: usize,
        found: u32,
        room: u32,
        setting: usize,
    ) -> Failure {
        let (name, offset) = (&self.settings[setting].name, row - path.rows.start);
        let whose = format!("prompt {}, sample {} at offset {offset}", path.prompt, path.sample);
        let found = match found {
            0 => "no tail".into(),
            n => format!("a tail of {n} tokens that ends no text"),
        };
        let problem =
            format!("rejected, with {found} after {whose}, and {name} may discard {room} tokens there");
        batch.fault(row, "fate", problem)
    }
}

impl std::fmt::Display for TooLarge {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "γ grew to {} here, and records hold 65535", self.gamma)
    }
}

/// The place of a value in a list, to which it is added if it is not there.
fn place<T: PartialEq>(list: &mut Vec<T>, value: T) -> usize {
    list.iter().position(|known| *known == value).unwrap_or_else(|| {
        list.push(value);
        list.len() - 1
    })
}

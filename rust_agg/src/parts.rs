//! The parts of a state: a caller asks for some, and pays for those alone.

use crate::error::{Error, Result};

/// One part of what a fold counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Part {
    /// Histograms of p by group and verdict.
    P,
    /// Histograms of q by group and verdict.
    Q,
    /// Histograms of p − q by group and verdict.
    Difference,
    /// Histograms of log(p / q) by group and verdict.
    LogRatio,
    /// Joint histograms of p and q by group and verdict.
    Joint,
    /// Drafted tokens by group, verdict and draft position.
    Positions,
    /// Tokens, those with q > p, and those where the draft is over-confident, by group and verdict.
    Surer,
    /// Histograms of p, q and p − q in 64 bins by unit and verdict.
    Units,
    /// Sums by prompt and sample; the one part that reads rounds.
    Prompts,
    /// Judged and accepted tokens by prompt and draft position.
    PromptPositions,
    /// Judged tokens with q > p, by token and prompt.
    Tokens,
    /// Judged and accepted tokens by min(1, p / q).
    Calibration,
}

/// Every part, in the order of the saved form.
pub const ALL: [Part; 12] = [
    Part::P,
    Part::Q,
    Part::Difference,
    Part::LogRatio,
    Part::Joint,
    Part::Positions,
    Part::Surer,
    Part::Units,
    Part::Prompts,
    Part::PromptPositions,
    Part::Tokens,
    Part::Calibration,
];

impl Part {
    /// Its name, as users write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P => "p",
            Self::Q => "q",
            Self::Difference => "difference",
            Self::LogRatio => "log_ratio",
            Self::Joint => "joint",
            Self::Positions => "positions",
            Self::Surer => "surer",
            Self::Units => "units",
            Self::Prompts => "prompts",
            Self::PromptPositions => "prompt_positions",
            Self::Tokens => "tokens",
            Self::Calibration => "calibration",
        }
    }
}

/// A set of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts(u16);

impl Parts {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        ALL.into_iter().collect()
    }

    /// The parts with these names.
    ///
    /// # Errors
    /// [`Error::Argument`] where there is none, or one of another name.
    pub fn from_names<S: AsRef<str>>(names: &[S]) -> Result<Self> {
        let known = || ALL.map(Part::name).join(", ");
        if names.is_empty() {
            return Err(Error::Argument(format!("parts must name at least one of {}", known())));
        }
        let parts = names.iter().map(|name| {
            let name = name.as_ref();
            ALL.into_iter()
                .find(|part| part.name() == name)
                .ok_or_else(|| Error::Argument(format!("parts: {name:?} is none of {}", known())))
        });
        parts.collect()
    }

    /// Whether a part is among them.
    #[must_use]
    pub fn has(self, part: Part) -> bool {
        self.0 & (1 << part as u8) != 0
    }

    /// Whether any of these parts is among them.
    #[must_use]
    pub fn any(self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.has(*part))
    }

    /// Their names, in the order of [`ALL`].
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        ALL.into_iter().filter(|part| self.has(*part)).map(Part::name).collect()
    }

    /// The set as a number of twelve bits, the first part the lowest.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The set of [`Parts::bits`]; none where a bit stands for no part, or where none is set.
    #[must_use]
    pub fn from_bits(bits: u16) -> Option<Self> {
        (bits != 0 && bits & !Self::all().0 == 0).then_some(Self(bits))
    }

    /// Whether a column of `traces` must be read for these parts.
    #[must_use]
    pub fn needs(self, column: &str) -> bool {
        use Part::{
            Calibration, Difference, Joint, LogRatio, P, Positions, PromptPositions, Prompts, Q, Surer,
            Tokens, Units,
        };
        let both = [Difference, LogRatio, Joint, Surer, Units, Prompts, Tokens, Calibration];
        match column {
            "prompt" | "verdict" => true,
            "p" => self.has(P) || self.any(&both),
            "q" => self.has(Q) || self.any(&both),
            "position" => self.any(&[Positions, PromptPositions]),
            "token" => self.has(Tokens),
            "sample" | "overlap" | "entropy" => self.has(Prompts),
            _ => false,
        }
    }
}

impl FromIterator<Part> for Parts {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        Self(parts.into_iter().fold(0, |bits, part| bits | 1 << part as u8))
    }
}

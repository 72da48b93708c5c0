//! Histograms with axes, for whoever draws them or computes with them.

use crate::cells::{N_VERDICTS, VERDICT_NAMES};
use crate::error::{Error, Result};
use crate::log_edges::log_edges;
use crate::parts::Part;
use crate::state::State;

/// The parts that are histograms by group and verdict.
const QUANTITIES: [Part; 5] = [Part::P, Part::Q, Part::Difference, Part::LogRatio, Part::Joint];

/// One axis of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its name: group, verdict, p, q, difference or `log_ratio`.
    pub name: &'static str,
    /// How a figure may call it.
    pub label: &'static str,
    /// Its bins.
    pub bins: Bins,
}

/// What the bins of an axis stand for.
#[derive(Clone, Debug, PartialEq)]
pub enum Bins {
    /// A name each.
    Names(Vec<String>),
    /// A bin between each two edges; what lies on an edge belongs to the bin above it.
    Edges {
        /// The edges, rising.
        edges: Vec<f64>,
        /// Whether there is a bin before the first edge and one from the last edge on. If not, the last edge belongs to
        /// the last bin.
        flow: bool,
    },
}

impl Axis {
    fn names(name: &'static str, names: Vec<String>) -> Self {
        Self { name, label: name, bins: Bins::Names(names) }
    }

    fn edges(name: &'static str, label: &'static str, edges: &[f64]) -> Self {
        Self { name, label, bins: Bins::Edges { edges: edges.to_vec(), flow: false } }
    }

    /// Number of bins, without underflow and overflow.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.bins {
            Bins::Names(names) => names.len(),
            Bins::Edges { edges, .. } => edges.len() - 1,
        }
    }

    /// Whether there is no bin.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there are an underflow and an overflow bin.
    #[must_use]
    pub fn has_flow(&self) -> bool {
        matches!(self.bins, Bins::Edges { flow: true, .. })
    }
}

/// Counts on axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    axes: Vec<Axis>,
    /// With underflow and overflow where an axis has them; the last axis runs fastest.
    counts: Vec<u64>,
}

impl Histogram {
    /// The axes.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Numbers of bins along the axes; with `flow`, underflow and overflow bins are among them.
    #[must_use]
    pub fn shape(&self, flow: bool) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.len() + if flow && axis.has_flow() { 2 } else { 0 }).collect()
    }

    /// The counts, the last axis fastest; with `flow`, those of underflow and overflow bins are among them.
    #[must_use]
    pub fn counts(&self, flow: bool) -> Vec<u64> {
        match self.axes.last() {
            // Only a last axis has such bins: that of log(p / q).
            Some(axis) if axis.has_flow() && !flow => {
                let rows = self.counts.chunks_exact(axis.len() + 2);
                rows.flat_map(|row| &row[1..=axis.len()]).copied().collect()
            }
            _ => self.counts.clone(),
        }
    }
}

impl State {
    /// The histogram of one quantity: p, q, difference, `log_ratio` or joint. Its axes are group, verdict and the
    /// quantity (of joint: p, then q); a `group` or a `verdict` picks one, and the axis is gone.
    ///
    /// # Errors
    /// [`Error::Argument`] for names that are none, [`Error::State`] where the quantity was not counted.
    pub fn histogram(&self, quantity: &str, group: Option<&str>, verdict: Option<&str>) -> Result<Histogram> {
        let part = QUANTITIES[pick("quantity", quantity, &QUANTITIES.map(Part::name))?];
        self.require(part)?;
        let group_names = self.setup.groups.group_names();
        let group = group.map(|name| pick("group", name, group_names)).transpose()?;
        let verdict = verdict.map(|name| pick("verdict", name, &VERDICT_NAMES)).transpose()?;
        let mut axes = Vec::new();
        if group.is_none() {
            axes.push(Axis::names("group", group_names.to_vec()));
        }
        if verdict.is_none() {
            axes.push(Axis::names("verdict", VERDICT_NAMES.map(String::from).to_vec()));
        }
        let (start, values) = self.axes_of(part);
        let n: usize = values.iter().map(|axis| axis.len() + if axis.has_flow() { 2 } else { 0 }).product();
        axes.extend(values);
        let mut counts = Vec::new();
        for group in group.map_or(0..group_names.len(), |group| group..group + 1) {
            for verdict in verdict.map_or(0..N_VERDICTS, |verdict| verdict..verdict + 1) {
                let block = &self.cells[self.setup.layout.block(group, verdict)..];
                counts.extend_from_slice(&block[start..start + n]);
            }
        }
        Ok(Histogram { axes, counts })
    }

    /// Where the bins of a part begin in a block, and their axes.
    fn axes_of(&self, part: Part) -> (usize, Vec<Axis>) {
        let (grids, layout) = (&self.setup.grids, &self.setup.layout);
        let (p, joint) = (grids.probability.edges(), grids.joint.edges());
        match part {
            Part::P => (layout.p, vec![Axis::edges("p", "p", p)]),
            Part::Q => (layout.q, vec![Axis::edges("q", "q", p)]),
            Part::Difference => {
                let edges = grids.difference.edges();
                (layout.difference, vec![Axis::edges("difference", "p − q", edges)])
            }
            Part::LogRatio => {
                let bins = Bins::Edges { edges: log_edges().to_vec(), flow: true };
                (layout.log_ratio, vec![Axis { name: "log_ratio", label: "log(p / q)", bins }])
            }
            _ => (layout.joint, vec![Axis::edges("p", "p", joint), Axis::edges("q", "q", joint)]),
        }
    }
}

fn pick<S: AsRef<str>>(what: &str, name: &str, names: &[S]) -> Result<usize> {
    names.iter().position(|known| known.as_ref() == name).ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        Error::Argument(format!("{what}: {name:?} is none of {}", known.join(", ")))
    })
}

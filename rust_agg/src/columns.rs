//! From Arrow batches to the slices of the fold: columns by name, exact types, no nulls where none belong.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};

use crate::counter::Counter;
use crate::error::{Fault, Origin, Result};
use crate::groups::Membership;
use crate::parts::{Part, Parts};
use crate::rows::{RoundColumns, TraceColumns, check_censored, check_probability, exceeds};
use crate::runs::{self, KeyRun};

/// A column as the contract wants it.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub dtype: DataType,
    /// Whether nulls may stand in it.
    pub nullable: bool,
}

const fn column(name: &'static str, dtype: DataType) -> Column {
    Column { name, dtype, nullable: false }
}

const fn nullable(name: &'static str, dtype: DataType) -> Column {
    Column { name, dtype, nullable: true }
}

const TRACES: &[Column] = &[
    column("prompt", DataType::UInt64),
    column("sample", DataType::UInt16),
    column("round", DataType::UInt16),
    column("position", DataType::UInt16),
    column("offset", DataType::UInt16),
    column("token", DataType::UInt32),
    column("p", DataType::Float32),
    column("q", DataType::Float32),
    column("overlap", DataType::Float32),
    column("entropy", DataType::Float32),
    column("verdict", DataType::UInt8),
];

const ROUNDS: &[Column] = &[
    column("prompt", DataType::UInt64),
    column("sample", DataType::UInt16),
    column("round", DataType::UInt16),
    column("requested", DataType::UInt16),
    column("drafted", DataType::UInt16),
    column("accepted", DataType::UInt16),
    column("emitted", DataType::UInt16),
    nullable("next_token", DataType::UInt32),
    nullable("next_p", DataType::Float32),
    column("censored", DataType::UInt8),
];

const PATHS: &[Column] = &[
    column("prompt", DataType::UInt64),
    column("sample", DataType::UInt16),
    column("offset", DataType::UInt16),
    column("token", DataType::UInt32),
    column("proposal", DataType::UInt32),
    column("fate", DataType::UInt8),
    column("p", DataType::Float32),
    column("q", DataType::Float32),
    column("proposal_p", DataType::Float32),
    column("proposal_q", DataType::Float32),
    column("overlap", DataType::Float32),
    column("entropy", DataType::Float32),
];

const TAILS: &[Column] = &[
    column("prompt", DataType::UInt64),
    column("sample", DataType::UInt16),
    column("start", DataType::UInt16),
    column("offset", DataType::UInt16),
    column("token", DataType::UInt32),
    column("q", DataType::Float32),
    column("p", DataType::Float32),
];

const GROUPS: &[Column] = &[
    column("prompt", DataType::UInt64),
    column("group", DataType::UInt32),
    column("unit", DataType::UInt32),
];

/// The kinds of table that are read: a fold takes the first two, a replay the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// One row per drafted token.
    Traces,
    /// One row per round.
    Rounds,
    /// One row per emitted token, with the proposal there.
    Paths,
    /// One row per token of a draft's continuation after a rejected proposal.
    Tails,
}

impl Table {
    /// The columns that it may have.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Traces => TRACES,
            Self::Rounds => ROUNDS,
            Self::Paths => PATHS,
            Self::Tails => TAILS,
        }
    }

    /// Whether these parts need a column.
    #[must_use]
    pub fn needs(self, column: &str, parts: Parts) -> bool {
        match self {
            Self::Traces => parts.needs(column),
            Self::Rounds => !matches!(column, "round" | "drafted" | "accepted" | "next_token"),
            Self::Paths => !matches!(column, "overlap" | "entropy") || parts.has(Part::Prompts),
            Self::Tails => true,
        }
    }

    /// How messages call it where it has no file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Rounds => "rounds",
            Self::Paths => "paths",
            Self::Tails => "tails",
        }
    }

    /// Check that a schema has the columns that these parts need.
    ///
    /// # Errors
    /// That of [`check_schema`].
    pub fn check_schema(self, schema: &Schema, parts: Parts, origin: &Origin) -> Result<()> {
        check_schema(schema, self.columns().iter().filter(|column| self.needs(column.name, parts)), origin)
    }

    /// Check a batch and count it. `first_row` is the number of rows of `origin` before the batch.
    ///
    /// # Errors
    /// [`crate::error::Error::Data`] that names origin, row and column: of several faults that of the first row.
    pub fn fold(
        self,
        counter: &mut Counter,
        batch: &RecordBatch,
        origin: &Origin,
        first_row: u64,
    ) -> Result<()> {
        let null = first_null(batch, self.columns());
        let rows = 0..null.as_ref().map_or(batch.num_rows(), |fault| fault.row);
        let parts = counter.setup().parts;
        let mut runs = Vec::new();
        cut_runs(batch, parts, &mut runs).ok_or_else(|| changed(origin))?;
        let folded = match self {
            Self::Traces => {
                let columns = trace_columns(batch, parts).ok_or_else(|| changed(origin))?;
                counter.fold_traces(&runs, &columns.slice(&rows))
            }
            Self::Rounds => {
                let columns = round_columns(batch).ok_or_else(|| changed(origin))?;
                check_rounds(batch, &columns, rows.clone())
                    .map(|()| counter.fold_rounds(&runs, &columns.slice(&rows)))
            }
            Self::Paths | Self::Tails => return Err(origin.error(&"is replayed, not folded")),
        };
        folded.and(null.map_or(Ok(()), Err)).map_err(|fault| origin.fault_error(&fault, first_row))
    }
}

/// Check that a schema has the columns, each once and of the right type; other columns are nobody's business.
///
/// # Errors
/// [`crate::error::Error::Data`] that names origin and column, what was found and what was wanted.
pub fn check_schema<'a>(
    schema: &Schema,
    columns: impl IntoIterator<Item = &'a Column>,
    origin: &Origin,
) -> Result<()> {
    for Column { name, dtype, .. } in columns {
        let mut found = schema.fields().iter().filter(|field| field.name() == name);
        let Some(field) = found.next() else {
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let what = format!("is missing, wanted as {}; found {}", lower(dtype), names.join(", "));
            return Err(origin.column_error(name, &what));
        };
        if found.next().is_some() {
            return Err(origin.column_error(name, &"stands there twice, wanted once"));
        }
        if field.data_type() != dtype {
            let (found, wanted) = (lower(field.data_type()), lower(dtype));
            return Err(origin.column_error(name, &format!("is {found}, wanted {wanted}")));
        }
    }
    Ok(())
}

/// A type as Python users write it.
fn lower(dtype: &DataType) -> String {
    dtype.to_string().to_lowercase()
}

/// The rows of a table of groups.
///
/// # Errors
/// [`crate::error::Error::Data`] for a missing or wrong column, or a null.
pub fn memberships(batches: &[RecordBatch], schema: &Schema) -> Result<Vec<Membership>> {
    let origin = Origin::named("groups");
    check_schema(schema, GROUPS, &origin)?;
    let mut rows = Vec::new();
    for batch in batches {
        if let Some(fault) = first_null(batch, GROUPS) {
            return Err(origin.fault_error(&fault, rows.len() as u64));
        }
        let columns = (|| {
            let prompt = slice::<UInt64Type>(batch, "prompt")?;
            Some((prompt, slice::<UInt32Type>(batch, "group")?, slice::<UInt32Type>(batch, "unit")?))
        })();
        let (prompt, group, unit) = columns.ok_or_else(|| changed(&origin))?;
        let triples = prompt.iter().zip(group).zip(unit);
        rows.extend(triples.map(|((&prompt, &group), &unit)| Membership { prompt, group, unit }));
    }
    Ok(rows)
}

/// The error for a batch that is not what its schema promised.
pub(crate) fn changed(origin: &Origin) -> crate::error::Error {
    origin.error(&"a batch differs from the schema of its table")
}

/// The values of a column, whatever stands where a null does; none where it is missing or of another type.
pub(crate) fn slice<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Option<&'a [T::Native]> {
    Some(batch.column_by_name(name)?.as_primitive_opt::<T>()?.values())
}

fn wanted<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
    parts: Parts,
) -> Option<&'a [T::Native]> {
    if parts.needs(name) { slice::<T>(batch, name) } else { Some(&[]) }
}

/// Whose the rows are. Rounds are read for a part that needs samples.
fn cut_runs(batch: &RecordBatch, parts: Parts, runs: &mut Vec<KeyRun>) -> Option<()> {
    let prompt = wanted::<UInt64Type>(batch, "prompt", parts)?;
    runs::cut(prompt, wanted::<UInt16Type>(batch, "sample", parts)?, runs);
    Some(())
}

fn trace_columns(batch: &RecordBatch, parts: Parts) -> Option<TraceColumns<'_>> {
    Some(TraceColumns {
        position: wanted::<UInt16Type>(batch, "position", parts)?,
        token: wanted::<UInt32Type>(batch, "token", parts)?,
        p: wanted::<Float32Type>(batch, "p", parts)?,
        q: wanted::<Float32Type>(batch, "q", parts)?,
        overlap: wanted::<Float32Type>(batch, "overlap", parts)?,
        entropy: wanted::<Float32Type>(batch, "entropy", parts)?,
        verdict: wanted::<UInt8Type>(batch, "verdict", parts)?,
    })
}

fn round_columns(batch: &RecordBatch) -> Option<RoundColumns<'_>> {
    Some(RoundColumns {
        requested: slice::<UInt16Type>(batch, "requested")?,
        emitted: slice::<UInt16Type>(batch, "emitted")?,
        censored: slice::<UInt8Type>(batch, "censored")?,
    })
}

/// The first null that does not belong there.
pub(crate) fn first_null(batch: &RecordBatch, columns: &[Column]) -> Option<Fault> {
    let nulls = columns.iter().filter(|column| !column.nullable).filter_map(|column| {
        let array = batch.column_by_name(column.name)?;
        if array.null_count() == 0 {
            return None;
        }
        let row = array.nulls()?.iter().position(|valid| !valid)?;
        Some(Fault { row, column: column.name, problem: "null, and none may stand here".into() })
    });
    // The earliest row; `min_by_key` keeps the first of equals, so the first column in the order of the schema.
    nulls.min_by_key(|fault| fault.row)
}

/// The values of all rows first, whatever stands where a null does; row by row only where one of them is odd.
fn check_rounds(
    batch: &RecordBatch,
    columns: &RoundColumns<'_>,
    rows: Range<usize>,
) -> std::result::Result<(), Fault> {
    let next_p = batch.column_by_name("next_p").and_then(|array| array.as_primitive_opt::<Float32Type>());
    let probable = |values: &[f32]| exceeds(values, 1.0) >> 31 == 0;
    let largest = columns.censored[rows.clone()].iter().fold(0, |largest, reason| largest.max(*reason));
    if check_censored(0, largest).is_ok()
        && next_p.is_none_or(|next_p| probable(&next_p.values()[rows.clone()]))
    {
        return Ok(());
    }
    for row in rows {
        if let Some(next_p) = next_p
            && next_p.is_valid(row)
        {
            check_probability(row, "next_p", next_p.value(row))?;
        }
        check_censored(row, columns.censored[row])?;
    }
    Ok(())
}

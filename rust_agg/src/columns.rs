//! From Arrow batches to the slices of the fold: columns by name, exact types, no nulls where none belong.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};

use crate::error::{Error, Fault, Result};
use crate::fold::{RoundColumns, TraceColumns, check_censored, check_probability, check_traces};
use crate::groups::Membership;
use crate::state::State;

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

const GROUPS: &[Column] = &[
    column("prompt", DataType::UInt64),
    column("group", DataType::UInt32),
    column("unit", DataType::UInt32),
];

/// The two kinds of table that a fold reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// One row per drafted token.
    Traces,
    /// One row per round.
    Rounds,
}

impl Table {
    /// The columns it must have.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Traces => TRACES,
            Self::Rounds => ROUNDS,
        }
    }

    /// How messages call it where it has no file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Rounds => "rounds",
        }
    }

    /// Check a batch and count it. `first_row` is the number of rows of `source` before the batch.
    ///
    /// # Errors
    /// [`Error::Data`] that names `source`, row and column.
    pub fn fold(self, state: &mut State, batch: &RecordBatch, source: &str, first_row: u64) -> Result<()> {
        let named = |fault: Fault| fault.into_error(source, first_row);
        match self {
            Self::Traces => {
                let columns = trace_columns(batch).ok_or_else(|| changed(source))?;
                check(batch, self.columns(), |rows| check_traces(&columns, 0..rows)).map_err(named)?;
                state.fold_traces(&columns);
            }
            Self::Rounds => {
                let columns = round_columns(batch).ok_or_else(|| changed(source))?;
                check(batch, self.columns(), |rows| check_rounds(batch, &columns, rows)).map_err(named)?;
                state.fold_rounds(&columns);
            }
        }
        Ok(())
    }
}

/// Check that a schema has the columns, each once and of the right type; other columns are nobody's business.
///
/// # Errors
/// [`Error::Data`] that names `source`, the column, what was found and what was wanted.
pub fn check_schema(schema: &Schema, columns: &[Column], source: &str) -> Result<()> {
    for Column { name, dtype, .. } in columns {
        let mut found = schema.fields().iter().filter(|field| field.name() == name);
        let Some(field) = found.next() else {
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(Error::Data(format!(
                "{source}: column {name} is missing, wanted as {}; found {}",
                lower(dtype),
                names.join(", ")
            )));
        };
        if found.next().is_some() {
            return Err(Error::Data(format!("{source}: column {name} stands there twice, wanted once")));
        }
        if field.data_type() != dtype {
            let (found, wanted) = (lower(field.data_type()), lower(dtype));
            return Err(Error::Data(format!("{source}: column {name} is {found}, wanted {wanted}")));
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
/// [`Error::Data`] for a missing or wrong column, or a null.
pub fn memberships(batches: &[RecordBatch], schema: &Schema) -> Result<Vec<Membership>> {
    let source = "groups";
    check_schema(schema, GROUPS, source)?;
    let mut rows = Vec::new();
    for batch in batches {
        let first_row = rows.len() as u64;
        check(batch, GROUPS, |_| Ok(())).map_err(|fault| fault.into_error(source, first_row))?;
        let columns = (|| {
            let prompt = slice::<UInt64Type>(batch, "prompt")?;
            Some((prompt, slice::<UInt32Type>(batch, "group")?, slice::<UInt32Type>(batch, "unit")?))
        })();
        let (prompt, group, unit) = columns.ok_or_else(|| changed(source))?;
        let triples = prompt.iter().zip(group).zip(unit);
        rows.extend(triples.map(|((&prompt, &group), &unit)| Membership { prompt, group, unit }));
    }
    Ok(rows)
}

fn changed(source: &str) -> Error {
    Error::Data(format!("{source}: a batch differs from the schema of its table"))
}

fn slice<'a, T: ArrowPrimitiveType>(batch: &'a RecordBatch, name: &str) -> Option<&'a [T::Native]> {
    Some(batch.column_by_name(name)?.as_primitive_opt::<T>()?.values())
}

fn trace_columns(batch: &RecordBatch) -> Option<TraceColumns<'_>> {
    Some(TraceColumns {
        prompt: slice::<UInt64Type>(batch, "prompt")?,
        sample: slice::<UInt16Type>(batch, "sample")?,
        position: slice::<UInt16Type>(batch, "position")?,
        token: slice::<UInt32Type>(batch, "token")?,
        p: slice::<Float32Type>(batch, "p")?,
        q: slice::<Float32Type>(batch, "q")?,
        overlap: slice::<Float32Type>(batch, "overlap")?,
        entropy: slice::<Float32Type>(batch, "entropy")?,
        verdict: slice::<UInt8Type>(batch, "verdict")?,
    })
}

fn round_columns(batch: &RecordBatch) -> Option<RoundColumns<'_>> {
    Some(RoundColumns {
        prompt: slice::<UInt64Type>(batch, "prompt")?,
        sample: slice::<UInt16Type>(batch, "sample")?,
        requested: slice::<UInt16Type>(batch, "requested")?,
        emitted: slice::<UInt16Type>(batch, "emitted")?,
        censored: slice::<UInt8Type>(batch, "censored")?,
    })
}

/// The first fault of a batch: a null, or what `values` finds in the rows before it.
fn check(
    batch: &RecordBatch,
    columns: &[Column],
    values: impl FnOnce(usize) -> std::result::Result<(), Fault>,
) -> std::result::Result<(), Fault> {
    let null = first_null(batch, columns);
    values(null.as_ref().map_or(batch.num_rows(), |fault| fault.row))?;
    null.map_or(Ok(()), Err)
}

fn first_null(batch: &RecordBatch, columns: &[Column]) -> Option<Fault> {
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

fn check_rounds(
    batch: &RecordBatch,
    columns: &RoundColumns<'_>,
    rows: usize,
) -> std::result::Result<(), Fault> {
    let next_p = batch.column_by_name("next_p").and_then(|array| array.as_primitive_opt::<Float32Type>());
    for row in 0..rows {
        if let Some(next_p) = next_p
            && next_p.is_valid(row)
        {
            check_probability(row, "next_p", next_p.value(row))?;
        }
        check_censored(row, columns.censored[row])?;
    }
    Ok(())
}

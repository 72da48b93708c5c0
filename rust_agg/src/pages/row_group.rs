//! Row groups, decoded block by block.

use parquet::file::metadata::RowGroupMetaData;

use super::column::Column;
use super::fault::Result;
use super::runs::Runs;
use super::window::Input;

/// Rows of a table as they are decoded.
pub trait Rows: Default {
    /// Which of its columns to decode.
    type Wanted: Copy;
    /// Its columns, and how far they are decoded.
    type Columns;
    /// The columns with these names; other names are ignored.
    fn named(names: &[&str]) -> Self::Wanted;
    /// Prepare to decode columns.
    ///
    /// # Errors
    /// Those of [`RowGroup::open`].
    fn open(input: &Input, group: &RowGroupMetaData, wanted: Self::Wanted) -> Result<Self::Columns>;
    /// Say how many rows come next, and which of the row group the first one is.
    fn place(&mut self, rows: usize, first_row: u64);
    /// Replace the rows by the next ones, so many.
    ///
    /// # Errors
    /// [`Fault`](super::Fault).
    fn take(&mut self, columns: &mut Self::Columns, input: &mut Input, rows: usize) -> Result<()>;
}

macro_rules! columns {
    ($what:literal $block:ident $wanted:ident $columns:ident; $($name:ident: $type:ty, $how:ident $into:ty;)*) => {
        #[doc = concat!("Which columns of `", $what, "` to decode.")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "a column's name says what it is")]
        pub struct $wanted { $(pub $name: bool,)* }

        impl $wanted {
            /// Those with these names; other names are ignored.
            #[must_use]
            pub fn named(names: &[&str]) -> Self {
                Self { $($name: names.contains(&stringify!($name)),)* }
            }
        }

        #[doc = concat!("Rows of `", $what, "`, all of one row group: a column that is not wanted stays empty.")]
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(missing_docs, reason = "a column's name says what it is")]
        pub struct $block {
            /// How many.
            pub rows: usize,
            /// The row of the row group that the first one is.
            pub first_row: u64,
            $(pub $name: $into,)*
        }

        #[doc = concat!("Columns of `", $what, "`, and how far they are decoded.")]
        pub struct $columns { $($name: Option<Column<$type>>,)* }

        impl Rows for $block {
            type Wanted = $wanted;
            type Columns = $columns;

            fn named(names: &[&str]) -> $wanted {
                $wanted::named(names)
            }

            fn open(input: &Input, group: &RowGroupMetaData, wanted: $wanted) -> Result<$columns> {
                $(let $name = wanted.$name.then(|| Column::new(input, group, stringify!($name)));)*
                Ok($columns { $($name: $name.transpose()?,)* })
            }

            fn place(&mut self, rows: usize, first_row: u64) {
                (self.rows, self.first_row) = (rows, first_row);
            }

            fn take(&mut self, columns: &mut $columns, input: &mut Input, rows: usize) -> Result<()> {
                $(match &mut columns.$name {
                    Some(column) => column.$how(input, rows, &mut self.$name)?,
                    None => self.$name.clear(),
                })*
                Ok(())
            }
        }
    };
}

columns! {
    "traces" Block Wanted Columns;
    prompt: u64, runs Runs<u64>;
    sample: u16, runs Runs<u16>;
    round: u16, dense Vec<u16>;
    position: u16, dense Vec<u16>;
    offset: u16, dense Vec<u16>;
    token: u32, dense Vec<u32>;
    p: f32, dense Vec<f32>;
    q: f32, dense Vec<f32>;
    overlap: f32, dense Vec<f32>;
    entropy: f32, dense Vec<f32>;
    verdict: u8, dense Vec<u8>;
}

columns! {
    "paths" PathBlock PathWanted PathColumns;
    prompt: u64, runs Runs<u64>;
    sample: u16, runs Runs<u16>;
    offset: u16, dense Vec<u16>;
    token: u32, dense Vec<u32>;
    proposal: u32, dense Vec<u32>;
    fate: u8, dense Vec<u8>;
    p: f32, dense Vec<f32>;
    q: f32, dense Vec<f32>;
    proposal_p: f32, dense Vec<f32>;
    proposal_q: f32, dense Vec<f32>;
    overlap: f32, dense Vec<f32>;
    entropy: f32, dense Vec<f32>;
}

columns! {
    "tails" TailBlock TailWanted TailColumns;
    prompt: u64, runs Runs<u64>;
    sample: u16, runs Runs<u16>;
    start: u16, dense Vec<u16>;
    offset: u16, dense Vec<u16>;
    token: u32, dense Vec<u32>;
    q: f32, dense Vec<f32>;
    p: f32, dense Vec<f32>;
}

/// A row group of a file whose footer was read.
pub struct RowGroup<B: Rows = Block> {
    input: Input,
    columns: B::Columns,
    rows: u64,
    next: u64,
}

impl<B: Rows> RowGroup<B> {
    /// Prepare to decode; nothing is read yet.
    ///
    /// # Errors [`Fault::Damaged`](super::Fault::Damaged) where a wanted column is missing, lies outside the
    /// file or is stored as another type, [`Fault::Io`](super::Fault::Io).
    pub fn open(input: Input, group: &RowGroupMetaData, wanted: B::Wanted) -> Result<Self> {
        let columns = B::open(&input, group, wanted)?;
        Ok(Self { input, columns, rows: group.num_rows().unsigned_abs(), next: 0 })
    }

    /// Decode the next rows, at most `max_rows` of them (more than none). False at the end.
    ///
    /// # Errors
    /// [`Fault`](super::Fault); the block is then not to be used, nor is the row group.
    pub fn next_block(&mut self, block: &mut B, max_rows: usize) -> Result<bool> {
        let left = self.rows - self.next;
        let rows = usize::try_from(left).unwrap_or(usize::MAX).min(max_rows).min(u32::MAX as usize);
        block.place(rows, self.next);
        if rows == 0 {
            return Ok(false);
        }
        block.take(&mut self.columns, &mut self.input, rows)?;
        self.next += rows as u64;
        Ok(true)
    }
}

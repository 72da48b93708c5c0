//! Row groups of `traces`, decoded block by block.

use parquet::file::metadata::RowGroupMetaData;

use super::column::Column;
use super::fault::Result;
use super::runs::Runs;
use super::window::Input;

macro_rules! columns {
    ($($name:ident: $type:ty, $how:ident $into:ty;)*) => {
        /// Which columns of `traces` to decode.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[expect(missing_docs, reason = "a column's name says what it is")]
        pub struct Wanted { $(pub $name: bool,)* }

        impl Wanted {
            /// Those with these names; other names are ignored.
            #[must_use]
            pub fn named(names: &[&str]) -> Self {
                Self { $($name: names.contains(&stringify!($name)),)* }
            }
        }

        /// Rows of a row group: a column that is not wanted stays empty.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[expect(missing_docs, reason = "a column's name says what it is")]
        pub struct Block {
            /// How many.
            pub rows: usize,
            /// The row of the row group that the first one is.
            pub first_row: u64,
            $(pub $name: $into,)*
        }

        struct Columns { $($name: Option<Column<$type>>,)* }

        impl Columns {
            fn new(input: &Input, group: &RowGroupMetaData, wanted: Wanted) -> Result<Self> {
                $(let $name = wanted.$name.then(|| Column::new(input, group, stringify!($name)));)*
                Ok(Self { $($name: $name.transpose()?,)* })
            }

            fn next(&mut self, input: &mut Input, rows: usize, block: &mut Block) -> Result<()> {
                $(match &mut self.$name {
                    Some(column) => column.$how(input, rows, &mut block.$name)?,
                    None => block.$name.clear(),
                })*
                Ok(())
            }
        }
    };
}

columns! {
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

/// A row group of a file whose footer was read.
pub struct RowGroup {
    input: Input,
    columns: Columns,
    rows: u64,
    next: u64,
}

impl RowGroup {
    /// Prepare to decode; nothing is read yet.
    ///
    /// # Errors [`Fault::Damaged`](super::Fault::Damaged) where a wanted column is missing, lies outside the
    /// file or is stored as another type, [`Fault::Io`](super::Fault::Io).
    pub fn open(input: Input, group: &RowGroupMetaData, wanted: Wanted) -> Result<Self> {
        let columns = Columns::new(&input, group, wanted)?;
        Ok(Self { input, columns, rows: group.num_rows().unsigned_abs(), next: 0 })
    }

    /// Decode the next rows, at most `max_rows` of them (more than none). False at the end.
    ///
    /// # Errors
    /// [`Fault`](super::Fault); the block is then not to be used, nor is the row group.
    pub fn next_block(&mut self, block: &mut Block, max_rows: usize) -> Result<bool> {
        let left = self.rows - self.next;
        let rows = usize::try_from(left).unwrap_or(usize::MAX).min(max_rows).min(u32::MAX as usize);
        (block.rows, block.first_row) = (rows, self.next);
        if rows == 0 {
            return Ok(false);
        }
        self.columns.next(&mut self.input, rows, block)?;
        self.next += rows as u64;
        Ok(true)
    }
}

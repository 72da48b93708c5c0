//! A column chunk, decoded page by page.

use parquet::basic::Encoding;
use parquet::file::metadata::ColumnChunkMetaData;

use super::dictionary::Dictionary;
use super::fault::{Checked, Problem, wrong};
use super::header::{Header, Kind};
use super::hybrid::Hybrid;
use super::levels;
use super::page::Pages;
use super::sink::Sink;
use super::value::Value;
use super::window::Input;

/// Values of a page from which on it pays to spell out what bytes of indices stand for.
const MANY: usize = 1024;

/// A chunk and how far it is decoded.
pub struct Chunk<T> {
    pages: Pages,
    nullable: bool,
    dictionary: Option<Dictionary<T>>,
    values: Values,
    /// Where in the current page its values start.
    start: usize,
    /// How many of them were taken, and how many not.
    taken: usize,
    left: usize,
    /// The next row.
    pub row: u64,
}

/// How the values of a page are stored.
#[derive(Clone, Copy, Debug)]
enum Values {
    Plain,
    Split,
    Indices(Hybrid),
}

impl<T: Value> Chunk<T> {
    /// None where the chunk has something that is left to the crate.
    pub fn new(input: &Input, meta: &ColumnChunkMetaData, rows: u64) -> Checked<Option<Self>> {
        let pages = Pages::new(input, meta, rows)?;
        Ok(pages.is_own().then(|| Self {
            pages,
            nullable: meta.column_descr().max_def_level() > 0,
            dictionary: None,
            values: Values::Plain,
            start: 0,
            taken: 0,
            left: 0,
            row: 0,
        }))
    }

    /// Take the next `count` values of the chunk.
    pub fn take(&mut self, input: &mut Input, mut count: usize, sink: &mut impl Sink<T>) -> Checked<()> {
        while count > 0 {
            if self.left == 0 {
                self.next_page(input)?;
                continue;
            }
            let n = count.min(self.left);
            self.take_from_page(n, sink)?;
            self.row += n as u64;
            count -= n;
        }
        if self.left == 0 && self.pages.is_done() {
            // Nothing but pages without values may follow.
            while self.pages.next(input)?.is_some() {}
        }
        Ok(())
    }

    fn take_from_page(&mut self, count: usize, sink: &mut impl Sink<T>) -> Checked<()> {
        let page = &self.pages.body()[self.start..];
        let (taken, values) = (self.taken, self.taken + self.left);
        let in_range = |fine: bool| if fine { Ok(()) } else { wrong("a value is out of range") };
        self.taken += count;
        self.left -= count;
        match (&mut self.values, &self.dictionary) {
            (Values::Plain, _) => {
                let bytes = &page[taken * T::WIDTH..self.taken * T::WIDTH];
                sink.slice(count, |out| in_range(T::plain(bytes, out)))
            }
            (Values::Split, _) => sink.slice(count, |out| in_range(T::join(page, values, taken, out))),
            (Values::Indices(hybrid), Some(dictionary)) => {
                hybrid.take(page, dictionary, count, sink)?;
                let all = self.left > 0 || hybrid.is_last(page);
                if all { Ok(()) } else { wrong("bytes after the last value of a page") }
            }
            (Values::Indices(_), None) => wrong("indices without a dictionary"),
        }
    }

    fn next_page(&mut self, input: &mut Input) -> Checked<()> {
        let Some(header) = self.pages.next(input)? else {
            return wrong("fewer values than the row group has rows");
        };
        if header.kind == Kind::Dictionary { self.load_dictionary(&header) } else { self.load_page(&header) }
    }

    fn load_dictionary(&mut self, header: &Header) -> Checked<()> {
        self.pages.check_length(header, T::WIDTH as u64)?;
        self.pages.unpack(header)?;
        self.dictionary.insert(Dictionary::new()).load(self.pages.body(), header.values)
    }

    fn load_page(&mut self, header: &Header) -> Checked<()> {
        let (values, encoding) = (header.values, header.encoding);
        let fixed = matches!(encoding, Encoding::PLAIN | Encoding::BYTE_STREAM_SPLIT);
        // An index takes at most one byte that says it stands once and four of its own, a level one and one.
        let width = if fixed { T::WIDTH as u64 } else { 5 };
        self.pages.check_length(header, width + if self.nullable { 2 } else { 0 })?;
        self.pages.unpack(header)?;
        let page = self.pages.body();
        self.start = levels::pass(page, header, self.nullable).map_err(|problem| match problem {
            Problem::Null(row) => Problem::Null(self.row + row),
            other => other,
        })?;
        let page = &page[self.start..];
        self.values = match (encoding, &mut self.dictionary, page.first()) {
            (Encoding::PLAIN, ..) => Values::Plain,
            (Encoding::BYTE_STREAM_SPLIT, ..) => Values::Split,
            (_, Some(dictionary), Some(&width)) => {
                if values >= MANY {
                    dictionary.spell(width.into());
                }
                Values::Indices(Hybrid::new(1, width)?)
            }
            (_, Some(_), None) if values == 0 => Values::Plain,
            (_, Some(_), None) => return wrong("fewer values than the page promises"),
            (_, None, _) => return wrong("indices without a dictionary"),
        };
        if fixed && values.checked_mul(T::WIDTH) != Some(page.len()) {
            return wrong(format!("{values} values in {} bytes", page.len()));
        }
        (self.taken, self.left) = (0, values);
        Ok(())
    }
}

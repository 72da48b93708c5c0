//! Files with other page headers than their writer gave them: arrow-rs writes no checksums, and it does not
//! lie.

#![expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "files here are small")]

use std::ops::Range;

use bytes::Bytes;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

/// What is told of a page.
pub struct Page<'a> {
    pub uncompressed: u64,
    pub crc: Option<u32>,
    pub body: &'a [u8],
}

/// A file without its footer, the footer's row groups, and where in the file headers are.
pub struct Rewritten {
    pub file: Bytes,
    pub groups: Vec<RowGroupMetaData>,
    pub headers: Vec<Range<usize>>,
}

/// Give each page the header that `change` makes of its own.
pub fn rewrite(file: &[u8], groups: &[RowGroupMetaData], change: impl Fn(&mut Page<'_>)) -> Rewritten {
    let (mut to, mut headers) = (b"PAR1".to_vec(), Vec::new());
    let mut chunk = |meta: &ColumnChunkMetaData| {
        let (start, length) = meta.byte_range();
        let mut from = &file[start as usize..(start + length) as usize];
        let start = to.len();
        let mut first_data_page = None;
        while !from.is_empty() {
            let header = Header::of(from);
            let (head, rest) = from.split_at(header.length);
            let (body, rest) = rest.split_at(header.compressed as usize);
            if header.kind != 2 {
                first_data_page.get_or_insert(to.len());
            }
            let mut page = Page { uncompressed: header.uncompressed, crc: None, body };
            change(&mut page);
            let at = to.len();
            header.write(&page, head, &mut to);
            headers.push(at..to.len());
            to.extend(body);
            from = rest;
        }
        let data_page = first_data_page.unwrap_or(start);
        let meta = meta.clone().into_builder().set_data_page_offset(data_page as i64);
        let meta = meta.set_dictionary_page_offset((data_page > start).then_some(start as i64));
        let meta = meta.set_total_compressed_size((to.len() - start) as i64);
        meta.build().expect("a chunk")
    };
    let groups = groups.iter().map(|group| {
        let chunks = group.columns().iter().map(&mut chunk).collect();
        group.clone().into_builder().set_column_metadata(chunks).build().expect("a row group")
    });
    let groups = groups.collect();
    Rewritten { file: to.into(), groups, headers }
}

/// A checksum in every header, as pyarrow writes them.
pub fn add_checksums(page: &mut Page<'_>) {
    page.crc = Some(crc32fast::hash(page.body));
}

/// The first fields of a header, all numbers: `15` and a number each.
struct Header {
    kind: u64,
    uncompressed: u64,
    compressed: u64,
    /// Of these fields and of all.
    fields_length: usize,
    length: usize,
}

impl Header {
    fn of(bytes: &[u8]) -> Self {
        let mut at = 0;
        let [kind, uncompressed, compressed] = [(); 3].map(|()| {
            assert_eq!(bytes[at], 0x15, "a number, in the next field");
            at += 1;
            varint(bytes, &mut at) / 2
        });
        let fields_length = at;
        skip_struct(bytes, &mut at);
        Self { kind, uncompressed, compressed, fields_length, length: at }
    }

    fn write(&self, page: &Page<'_>, head: &[u8], to: &mut Vec<u8>) {
        for number in [self.kind, page.uncompressed, self.compressed] {
            to.push(0x15);
            write_varint(2 * number, to);
        }
        let mut rest = head[self.fields_length..].to_vec();
        if let Some(crc) = page.crc {
            to.push(0x15);
            write_varint(zigzag(crc.cast_signed()), to);
            // The field after it says how far it is from the last.
            rest[0] -= 0x10;
        }
        to.extend(rest);
    }
}

fn zigzag(number: i32) -> u64 {
    u64::from((number << 1 ^ number >> 31).cast_unsigned())
}

fn write_varint(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    to.push(number as u8);
}

fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let length = bytes[*at..].iter().take_while(|&&byte| byte >= 0x80).count() + 1;
    let number = bytes[*at..*at + length].iter().rev();
    *at += length;
    number.fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f))
}

fn skip_struct(bytes: &[u8], at: &mut usize) {
    loop {
        let kind = bytes[*at] & 0x0f;
        *at += 1;
        match kind {
            0 => return,
            1 | 2 => {}
            5 | 6 => drop(varint(bytes, at)),
            8 => {
                let length = varint(bytes, at);
                *at += length as usize;
            }
            12 => skip_struct(bytes, at),
            _ => panic!("a field of type {kind}"),
        }
    }
}

"""Footers and page headers of Parquet files, taken apart and put together again with other claims in them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

TRUE, FALSE, BYTE, I32, I64, BINARY, LIST, STRUCT = 1, 2, 3, 5, 6, 8, 9, 12
#: Where things stand: FileMetaData, RowGroup, ColumnChunk, ColumnMetaData and PageHeader of parquet.thrift.
SCHEMA, ROW_GROUPS, COLUMNS, META = 2, 4, 1, 3
CODEC, UNCOMPRESSED, COMPRESSED, DATA_OFFSET, DICTIONARY_OFFSET = 4, 6, 7, 9, 11
PAGE_UNCOMPRESSED, PAGE_COMPRESSED, PAGE_CRC = 2, 3, 4
PAGE_DATA, PAGE_DICTIONARY, PAGE_DATA_V2 = PAGES = 5, 7, 8


@dataclass
class Field:
    kind: int
    value: Any


@dataclass
class Items:
    """A list; it can claim to be longer than it is."""

    kind: int
    values: list[Any]
    claimed: int | None = None


Struct = dict[int, Field]


class Reader:
    """Thrift's compact protocol, as far as Parquet uses it."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def value(self, kind: int) -> Any:
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BYTE:
            return self.byte()
        if kind in (I32, I64):
            number = self.varint()
            return number >> 1 ^ -(number & 1)
        if kind == BINARY:
            length = self.varint()
            self.at += length
            return self.data[self.at - length : self.at]
        if kind == LIST:
            head = self.byte()
            count = head >> 4 if head >> 4 < 15 else self.varint()
            return Items(head & 15, [self.value(head & 15) for _ in range(count)])
        assert kind == STRUCT, kind
        return self.struct()

    def struct(self) -> Struct:
        fields: Struct = {}
        last = 0
        while head := self.byte():
            last += head >> 4
            fields[last] = Field(head & 15, self.value(head & 15))
        return fields


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _value(kind: int, value: Any) -> bytes:
    if kind in (TRUE, FALSE):
        return b""
    if kind == BYTE:
        return bytes([value])
    if kind in (I32, I64):
        return _varint((value << 1 ^ value >> 63) & 0xFFFF_FFFF_FFFF_FFFF)
    if kind == BINARY:
        return _varint(len(value)) + bytes(value)
    if kind == LIST:
        count = len(value.values) if value.claimed is None else value.claimed
        head = bytes([count << 4 | value.kind]) if count < 15 else bytes([0xF0 | value.kind]) + _varint(count)
        return head + b"".join(_value(value.kind, item) for item in value.values)
    return put_together(value)


def put_together(fields: Struct) -> bytes:
    out, last = b"", 0
    for number, field in sorted(fields.items()):
        kind = (TRUE if field.value else FALSE) if field.kind in (TRUE, FALSE) else field.kind
        out += bytes([number - last << 4 | kind]) + _value(kind, field.value)
        last = number
    return out + b"\0"


def footer_start(data: bytes) -> int:
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def columns(footer: Struct) -> Iterator[tuple[int, int, Struct]]:
    """Row group, column and metadata of each chunk."""
    for row_group, group in enumerate(footer[ROW_GROUPS].value.values):
        for column, chunk in enumerate(group[COLUMNS].value.values):
            yield row_group, column, chunk[META].value


def with_footer(data: bytes, change: Callable[[Struct], object]) -> bytes:
    """The file with a changed footer."""
    footer = Reader(data, footer_start(data)).struct()
    change(footer)
    new = put_together(footer)
    return data[: footer_start(data)] + new + len(new).to_bytes(4, "little") + b"PAR1"


@dataclass(frozen=True)
class Page:
    row_group: int
    column: int
    start: int
    body: int
    end: int
    header: Struct


def pages(data: bytes) -> Iterator[Page]:
    """Every page: where its header and its body start, and where it ends."""
    for row_group, column, meta in columns(Reader(data, footer_start(data)).struct()):
        at = meta.get(DICTIONARY_OFFSET, meta[DATA_OFFSET]).value
        end = at + meta[COMPRESSED].value
        while at < end:
            reader = Reader(data, at)
            header = reader.struct()
            page = Page(row_group, column, at, reader.at, reader.at + header[PAGE_COMPRESSED].value, header)
            yield page
            at = page.end


def with_header(data: bytes, page: Page, change: Callable[[Struct], object]) -> bytes:
    """The file with a changed page header; the footer knows where all that comes after has moved."""
    change(page.header)
    new = put_together(page.header)
    longer = len(new) - (page.body - page.start)

    def move(footer: Struct) -> None:
        for row_group, column, meta in columns(footer):
            for offset in (meta.get(DICTIONARY_OFFSET), meta[DATA_OFFSET]):
                if offset is not None and offset.value > page.start:
                    offset.value += longer
            if (row_group, column) == (page.row_group, page.column):
                meta[COMPRESSED].value += longer

    return with_footer(data[: page.start] + new + data[page.body :], move)

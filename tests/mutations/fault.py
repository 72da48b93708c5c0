"""A fault: one text of one file, and what is put in its place for as long as tests run."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).parent
BY_HAND, DRAWN, NOTES = HERE / "by_hand.yaml", HERE / "drawn.yaml", HERE / "notes.yaml"


class DoesNotApplyError(Exception):
    """The text that a fault replaces does not stand exactly once in its file."""


@dataclass(frozen=True)
class Fault:
    """What is wrong, in which file, and how it is planted."""

    maker: str  # mutmut, cargo-mutants or hand
    what: str
    file: str  # from the root of the tree
    old: str
    new: str
    first: tuple[str, ...] = ()  # tests that are tried first where coverage cannot say which run this file

    @property
    def key(self) -> str:
        """What its results and its note are kept under: the same as long as file and texts are."""
        return hashlib.sha256("\0".join((self.file, self.old, self.new)).encode()).hexdigest()[:10]

    @property
    def in_rust(self) -> bool:
        return self.file.startswith("rust_agg/src/")

    @property
    def in_package(self) -> bool:
        return self.file.startswith("src/specgap/") and self.file.endswith(".py")

    def planted(self, text: str) -> str:
        """Return a file's text with the fault in it; DoesNotApplyError where there is no one place for it."""
        if text.count(self.old) != 1:
            raise DoesNotApplyError(f"{self.file} holds {text.count(self.old)} times: {self.old!r}")
        return text.replace(self.old, self.new)

    def lines(self, text: str) -> range:
        """Return the numbers of the lines that differ, of the text without the fault."""
        start = text.count("\n", 0, text.index(self.old)) + 1
        old, new = self.old.splitlines(), self.new.splitlines()
        same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old) - 1)
        tail = next((n for n, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=False)) if a != b), 0)
        return range(start + same, max(start + len(old) - tail, start + same + 1))


def applies(fault: Fault, tree: Path) -> bool:
    path = tree / fault.file
    return path.is_file() and path.read_text(encoding="utf-8").count(fault.old) == 1


@contextmanager
def planted(fault: Fault, tree: Path) -> Iterator[range]:
    """Plant a fault for the length of a block, which gets its lines; whatever happens, it is put back."""
    path = tree / fault.file
    before = path.read_text(encoding="utf-8")
    after = fault.planted(before)
    try:
        path.write_text(after, encoding="utf-8")
        yield fault.lines(before)
    finally:
        path.write_text(before, encoding="utf-8")


def read_faults(path: Path, maker: str = "") -> list[Fault]:
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [_fault({"maker": maker, **entry}) for entry in entries]


def write_faults(path: Path, faults: list[Fault], head: str) -> None:
    keys = ("maker", "what", "file", "old", "new")
    entries = [{key: getattr(fault, key) for key in keys} for fault in faults]
    text = yaml.dump(entries, Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=10_000)
    path.write_text(f"# {head}\n{text}", encoding="utf-8")


def all_faults() -> list[Fault]:
    return read_faults(BY_HAND, "hand") + read_faults(DRAWN)


def _fault(entry: dict[str, object]) -> Fault:
    texts = {key: str(entry[key]) for key in ("maker", "what", "file", "old", "new")}
    first = entry.get("first", [])
    assert isinstance(first, list)
    return Fault(**texts, first=tuple(first))


class _Blocks(yaml.SafeDumper):
    """YAML in which texts of several lines are blocks, as one would write them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Blocks.add_representer(str, _text)

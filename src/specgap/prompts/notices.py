"""Sentences a reader should see: what was removed, what is shared, what is missing."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from specgap.prompts.promptset import Row

_MOST_COMBINATIONS = 5


def duplicates(rows: Iterable[Row], grouping: str) -> Iterator[str]:
    """Say how many rows of each group repeat a text of that group."""
    seen: set[tuple[str, int]] = set()
    repeated: Counter[str] = Counter()
    for row in rows:
        for group in row.groups[grouping]:
            repeated[group] += (group, row.prompt) in seen
            seen.add((group, row.prompt))
    for group, count in repeated.items():
        if count:
            yield (
                f"{_rows(count)} of {shown(group)} {_verb(count, 'repeat')} a text of that group: "
                "each text counts once"
            )


def shared_texts(rows: Iterable[Row], grouping: str) -> Iterator[str]:
    """Say, in one line, how many texts stand in several groups."""
    groups: dict[int, set[str]] = defaultdict(set)
    rank: dict[str, int] = {}
    for row in rows:
        groups[row.prompt].update(row.groups[grouping])
        for group in row.groups[grouping]:
            rank.setdefault(group, len(rank))
    shared = Counter(
        tuple(sorted(names, key=rank.__getitem__)) for names in groups.values() if len(names) > 1
    )
    if not shared:
        return
    common = shared.most_common(_MOST_COMBINATIONS)
    listed = [_stand(count, names) for names, count in common]
    if others := shared.total() - sum(count for _, count in common):
        listed.append(f"{others} in other combinations of groups")
    both = "both" if all(len(names) == 2 for names in shared) else "each"
    yield f"{', '.join(listed)}: taken once, counted in {both}"


def without_group(rows: Iterable[Row], grouping: str) -> Iterator[str]:
    """Say how many rows are in no group."""
    count = sum(not row.groups[grouping] for row in rows)
    if count:
        yield f"{_rows(count)} {_verb(count, 'stand')} in no group of {grouping!r}"


def without_term(rows: Iterable[Row], unit: str | None) -> Iterator[str]:
    """Say how many rows lack the identity term that others have."""
    count = sum(row.term is None for row in rows) if unit is not None else 0
    if count:
        yield f"{_rows(count)} {_verb(count, 'have')} no term in column {unit!r}: each text is its own unit"


def ending_in_space(rows: Iterable[Row]) -> Iterator[str]:
    """Say how many texts end in white space, which many tokenizers treat unlike the space of a next word."""
    count = sum(row.text[-1].isspace() for row in rows)
    if count:
        yield f"the text of {_rows(count)} ends in white space, which is kept"


def pilot(rows: Sequence[Row], n_all: int, grouping: str, limit: int | None) -> Iterator[str]:
    """Say that this is a pilot."""
    if limit is not None:
        yield f"pilot: at most {limit} prompts per group of {grouping!r}, {len(rows)} of {_rows(n_all)}"


def shown(name: str) -> str:
    """Return a name that fits on one line."""
    return name if name.isprintable() else repr(name)


def _stand(count: int, groups: tuple[str, ...]) -> str:
    names = [shown(group) for group in groups]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    texts = "1 text stands" if count == 1 else f"{count} texts stand"
    return f"{texts} in {'both' if len(groups) == 2 else 'all of'} {listed}"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _verb(count: int, verb: str) -> str:
    singular = {"have": "has"}.get(verb, f"{verb}s")
    return singular if count == 1 else verb

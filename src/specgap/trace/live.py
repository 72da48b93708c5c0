"""Rows of real rounds: their texts as they grow, and what was recorded of them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from specgap.settings import Setting
from specgap.trace.draws import Array
from specgap.trace.ledger import Columns, Recording
from specgap.trace.verify import Draft, Judged

_OF_ROUND = ("offset", "drafted", "emitted", "next_p")
_OF_TOKEN = ("token", "p", "q")
_OF_JUDGED = ("overlap", "entropy")
_ARRAYS = ("index", "place", "prompt", "begin", "length", "gamma", "text")


class Rows:
    """The texts that have not ended: arrays with an element, or of `text` a line, for each.

    `index` numbers the rows that there were at first, `place` says where one stands in the caches, `begin`
    and `length` count the tokens of its prompt and of its text, `gamma` is what its schedule requests next.
    """

    def __init__(self, texts: Mapping[int, Sequence[int]], setting: Setting, most: int) -> None:
        self._grows, self._most = setting.schedule != "constant", most
        self.index = np.arange(len(texts))
        self.place = self.index
        self.prompt = np.array(list(texts), dtype=np.uint64)
        self.begin = np.array([len(text) for text in texts.values()])
        self.length = self.begin
        self.gamma = np.full(len(texts), setting.num_assistant_tokens)
        self.text = np.zeros((len(texts), int(self.begin.max()) + most), dtype=np.int64)
        for row, text in zip(self.text, texts.values(), strict=True):
            row[: len(text)] = text

    def __len__(self) -> int:
        return len(self.index)

    @property
    def offset(self) -> Array:
        """How many tokens were emitted."""
        emitted: Array = self.length - self.begin
        return emitted

    @property
    def may_draft(self) -> Array:
        """How many tokens the next round drafts at most: never the last that there is room for."""
        most: Array = np.minimum(self.gamma, self._most - self.offset - 1)
        return most

    def last(self, number: int) -> tuple[Array, Array]:
        """Return the last tokens of each text, (rows, number), and how many of them there are."""
        lengths = np.minimum(self.length, number)
        places = (self.length - lengths)[:, None] + np.arange(number)
        return np.take_along_axis(self.text, np.minimum(places, self.length[:, None] - 1), axis=1), lengths

    def advance(self, draft: Draft, judged: Judged, eos: Sequence[int]) -> tuple[Array, Array]:
        """Add a round's tokens; return how many each row emitted, and which rows have ended.

        An accepted end of text is followed by no token of the target's own; such a round is no success.
        """
        kept = draft.step < judged.accepted[draft.row]
        row, step = draft.row[kept], draft.step[kept]
        self.text[row, self.length[row] + step] = draft.token[kept]
        end = self.length + judged.accepted
        ended = (judged.accepted > 0) & np.isin(self.text[np.arange(len(self)), end - 1], eos)
        going = np.flatnonzero(~ended)
        self.text[going, end[going]] = judged.own[going]
        emitted = judged.accepted + ~ended
        self.length = self.length + emitted
        if self._grows:
            success = emitted == draft.count + 1
            self.gamma = np.where(success, self.gamma + 2, np.maximum(1, self.gamma - 1))
        return emitted, ended | np.isin(judged.own, eos) | (self.offset == self._most)

    def keep(self, kept: Array) -> None:
        """Go on with these rows alone."""
        for name in _ARRAYS:
            setattr(self, name, getattr(self, name)[kept])


class Ledger:
    """What was found of a batch's rows, round by round."""

    def __init__(self, n_rows: int) -> None:
        self._ids: list[Array] = [np.empty(0)] * n_rows
        self._rounds: list[Columns] = []
        self._tokens: list[Columns] = []
        self._judged: list[Columns] = []

    def add(self, index: Array, offset: Array, draft: Draft, judged: Judged, emitted: Array) -> None:
        """Keep a round of the rows `index`, which began at `offset`."""
        of_token = {"index": index[draft.row], "step": draft.step}
        of_judged = {name: column[judged.is_judged] for name, column in of_token.items()}
        for kept, keys, names, found in (
            (self._rounds, {"index": index}, _OF_ROUND, (offset, draft.count, emitted, judged.own_p)),
            (self._tokens, of_token, _OF_TOKEN, (draft.token, judged.p, judged.q)),
            (self._judged, of_judged, _OF_JUDGED, (judged.overlap, judged.entropy)),
        ):
            kept.append({**keys, **dict(zip(names, found, strict=True))})

    def end(self, rows: Rows, ended: Array) -> None:
        """Keep the texts of rows that have ended."""
        for row in np.flatnonzero(ended).tolist():
            self._ids[rows.index[row]] = rows.text[row, rows.begin[row] : rows.length[row]]

    def recordings(self) -> Iterator[Recording]:
        """Yield what was recorded of each row, in the order of `Rows.index`."""
        n_rows = len(self._ids)
        columns = {
            **_by_row(self._rounds, _OF_ROUND, n_rows),
            **_by_row(self._tokens, _OF_TOKEN, n_rows),
            **_by_row(self._judged, _OF_JUDGED, n_rows),
        }
        for row, ids in enumerate(self._ids):
            yield Recording(ids=ids, **{name: parts[row] for name, parts in columns.items()})


def _by_row(rounds: Sequence[Columns], names: Sequence[str], n_rows: int) -> dict[str, list[Array]]:
    """Cut columns, which have a part for every round, into a part for every row, its rounds in order."""
    joined = {name: np.concatenate([part[name] for part in rounds]) for name in rounds[0]}
    number = np.repeat(np.arange(len(rounds)), [len(part["index"]) for part in rounds])
    order = np.lexsort((joined.get("step", number), number, joined["index"]))
    cuts = np.searchsorted(joined["index"][order], np.arange(1, n_rows))
    return {name: np.split(joined[name][order], cuts) for name in names}

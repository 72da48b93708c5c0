"""Folds token records of speculative decoding by group, exact to the bit.

One pass over the tables `traces` (one row per drafted token) and `rounds` (one row per round) gives a
`State`. Equal input gives equal bits, whatever the sharding, order, chunking and number of threads, and
states merge to the same bits in any tree.

Units: p, q, p - q and overlap are probabilities and have none; entropies are nats; log(p / q) is the natural
logarithm; positions count from 1; rows, row groups and bins count from 0.

Exact: counts are whole numbers up to 2**64 - 1. A value of a column is widened to float64, and compared with
the edges as they were given. Of a sum, each value is rounded once, to a multiple of 2**-40 (half to even);
these are added exactly, and the sum is given as the nearest float64.

Errors: ValueError for arguments that cannot be used, DataError (a ValueError) for data that break the
contract, StateError (a ValueError) for states that do not fit, OSError and its subclasses where the
operating system refuses a file, MemoryError where it gives too few threads, TypeError for objects of another
kind. Each says what was found and what was
wanted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, SupportsFloat, final, type_check_only

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PARTS",
    "Axis",
    "DataError",
    "Grids",
    "Groups",
    "Histogram",
    "Replay",
    "Shard",
    "State",
    "StateError",
    "Table",
    "Traits",
    "__version__",
    "empty",
    "fold",
    "replay",
    "replay_records",
    "tail_lengths",
]

__version__: str

PARTS: tuple[str, ...]
"""The parts that can be counted, each read out by the method in brackets.

By group and verdict: `p`, `q`, `difference` (p - q), `log_ratio` (log(p / q)) (`histograms`, `histogram`),
`joint` (p with q: `joint_histogram`, `histogram`), `positions` and `surer`. By unit and verdict: `units`
(`unit_histograms`). By prompt: `prompts`, the one part that reads rounds, and `prompt_positions`. By token
and unit: `tokens`. By min(1, p / q): `calibration`.
"""

@type_check_only
class _ArrowStream(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@type_check_only
class _ArrowArray(Protocol):
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...

# Lists and tuples of numbers, and NumPy arrays.
@type_check_only
class _Edges(Protocol):
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[SupportsFloat]: ...

class DataError(ValueError):
    """Data that break the contract; the message says all that the attributes say.

    Each attribute is None where it does not apply or is not known.
    """

    file: str | None
    """The Parquet file; None for a stream or a table of groups."""

    row_group: int | None
    """The row group of the file, counted from 0."""

    row: int | None
    """The row of the file or stream, counted from 0."""

    column: str | None
    """The column."""

class StateError(ValueError):
    """States that cannot be merged, a part that was not counted, or a saved state that cannot be read."""

@final
class Grids:
    """Bin edges: one grid for p and for q, one for p - q, one for each axis of the joint histogram.

    A value's bin is (number of edges <= value) - 1, in float64, and the last edge belongs to the last bin.
    The edges of log(p / q) are fixed: -8, -7.75, ..., 8, with an underflow bin before and an overflow bin
    after them; a token is in the bin of the last edge with p >= q * exp(edge), where exp(edge) is the
    nearest float64.
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __new__(cls, probability: _Edges, difference: _Edges, joint: _Edges) -> Grids:
        """Check the edges: finite, strictly increasing, from 0 to 1 (`difference`: from -1 to 1) exactly.

        Raises ValueError with a sentence otherwise, or where there are too many: 1024 bins for each axis of
        the joint histogram, 65536 for the others.
        """

    @property
    def probability(self) -> list[float]:
        """Edges for p and for q."""

    @property
    def difference(self) -> list[float]:
        """Edges for p - q."""

    @property
    def joint(self) -> list[float]:
        """Edges of both axes of the joint histogram."""

    @property
    def log_ratio(self) -> list[float]:
        """The 65 fixed edges of log(p / q), which make 66 bins with underflow and overflow."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Groups:
    """Which prompts are counted in which groups, and under which unit there; many to many.

    Several groupings can be joined in one: their groups are told apart by name.
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __new__(
        cls,
        table: _ArrowStream | _ArrowArray,
        group_names: Sequence[str],
        unit_names: Sequence[str],
    ) -> Groups:
        """Check a table with columns prompt (uint64), group and unit (uint32, indices into the names).

        A prompt stands at most once in a group and in any number of groups; a unit belongs to one group.
        Two units may share a name if their groups differ. The order of rows does not matter.

        Raises DataError for a row that breaks this, ValueError for names that are not unique.
        """

    @property
    def group_names(self) -> list[str]:
        """Names of the groups, by index."""

    @property
    def unit_names(self) -> list[str]:
        """Names of the units, by index."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Replay:
    """One setting of a schedule, under which paths are replayed: a value that does not change.

    A round that starts at offset s of a path of at most N tokens may draft k = min(gamma, N - s - 1) tokens.
    With k = 0 the token at s is emitted and nothing is drafted. Otherwise the draft stops after k tokens,
    after one that ends a text, or after one with q < `confidence_threshold`, which is proposed all the same.
    After a first rejection the path's own token is emitted; what the draft goes on with until it stops is
    discarded. Where all was accepted, the path's next token is emitted, unless an accepted end of text ended
    it.

    gamma of the first round is `num_assistant_tokens`. "constant" leaves it; "heuristic" and
    "heuristic_transient" add 2 where all that was drafted was accepted and a further token followed (k = 0
    counts as that), and take away 1 otherwise, not below 1: as transformers 5.23 does.
    """

    def __new__(
        cls,
        schedule: Literal["constant", "heuristic", "heuristic_transient"],
        num_assistant_tokens: int,
        *,
        confidence_threshold: float = 0.0,
        max_new_tokens: int | None = None,
        order: Sequence[int] | None = None,
    ) -> Replay:
        """Check the numbers; `max_new_tokens` is that of the paths where it is None, and never more.

        `order` holds the prompts through which "heuristic" carries gamma over from one path to the next: all
        of sample 0 (or the lowest there is), then those of the next sample. None: every path starts anew.

        Raises ValueError for a schedule that is none, for numbers of tokens that are not between 1 and
        65535, a threshold outside [0, 1], an order of another schedule or with a prompt twice.
        """

    @property
    def schedule(self) -> str:
        """Name of the schedule."""

    @property
    def num_assistant_tokens(self) -> int:
        """Tokens asked for in the first round."""

    @property
    def confidence_threshold(self) -> float:
        """The draft stops after a token whose q is below it; 0 is never."""

    @property
    def max_new_tokens(self) -> int | None:
        """Most tokens of a text; None for as many as the paths may have."""

    @property
    def order(self) -> list[int] | None:
        """Prompts through which gamma is carried over."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Shard:
    """A Parquet file that is checked before its footer is parsed."""

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __new__(cls, path: str | PathLike[str], *, length: int, xxh3_128: str, rows: int) -> Shard:
        """Say what the file must hold: its length in bytes, the XXH3-128 of all of it, rows of its table.

        `xxh3_128` is in hexadecimal, as `xxhash.xxh3_128(data).hexdigest()` gives it. Nothing is read until
        the fold, where a file that differs is a DataError. Raises ValueError where `xxh3_128` is not 32
        hexadecimal digits.
        """

    @property
    def path(self) -> Path:
        """Where the file lies."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Table:
    """A table of results, for anything that takes Arrow streams: `pyarrow.table(state.prompts())`."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Give the table as an Arrow C stream of one batch, as often as asked."""

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""

    def __len__(self) -> int: ...

@final
class Traits:
    """What kind of axis it is, as the UHI protocol asks."""

    __hash__: ClassVar[None]  # type: ignore[assignment]

    @property
    def circular(self) -> bool:
        """Whether the axis wraps around: never."""

    @property
    def discrete(self) -> bool:
        """Whether its bins are names."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Axis:
    """An axis of a `Histogram`: a sequence of bins, each a name or a pair of edges (low, high).

    Underflow and overflow are not among them.
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    @property
    def name(self) -> str:
        """One of group, verdict, p, q, difference and log_ratio."""

    @property
    def label(self) -> str:
        """How a figure may call it."""

    @property
    def traits(self) -> Traits:
        """Whether the bins are names."""

    @property
    def edges(self) -> NDArray[np.float64]:
        """The edges as they were given; 0, 1, 2, ... where the bins are names. Needs NumPy."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Histogram:
    """Counts in the UHI protocol: `hist.Hist(state.histogram("p"))`, or any library that draws such.

    A copy: what is folded or merged later does not change it.
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    @property
    def kind(self) -> str:
        """COUNT, in the words of the protocol."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes, in the order of the arrays' dimensions."""

    def values(self, flow: bool = False) -> NDArray[np.int64]:
        """Give the counts, exactly; with `flow`, those of underflow and overflow stand at the ends.

        Only the axis log_ratio has such bins. Needs NumPy. Raises OverflowError for a count above 2**63 - 1.
        """

    def variances(self, flow: bool = False) -> NDArray[np.int64]:
        """Give the counts again: each token counts once, without a weight."""

    def counts(self, flow: bool = False) -> NDArray[np.int64]:
        """Give the counts again."""

    def _to_uhi_(self) -> dict[str, Any]: ...
    def _to_boost_histogram_(self) -> Any: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class State:
    """Everything a fold has counted. Comes from `fold`, `replay`, `empty`, `load` or `from_bytes`.

    A method that reads out a part that was not counted (see `parts`) raises StateError.
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    @staticmethod
    def load(path: str | PathLike[str]) -> State:
        """Read a saved state; StateError where it is damaged or of another version, OSError for no file."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write the state beside `path`, then rename it: a reader never sees half of it."""

    @staticmethod
    def from_bytes(data: bytes) -> State:
        """Read a state from the bytes of `to_bytes`."""

    def to_bytes(self) -> bytes:
        """Give the state as bytes, the same for equal states; what `save` writes."""

    def merge(self, other: State) -> None:
        """Add all that `other` has counted.

        StateError where grids, groups, parts, over_confident_ratio or `discarded` differ; nothing is added
        then. A state of no rows goes with every other, and one in which nothing was discarded with one that
        is "counted".
        """

    def __add__(self, other: State, /) -> State: ...
    def __radd__(self, other: State, /) -> State: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    @property
    def group_names(self) -> list[str]:
        """Names of the groups, by index."""

    @property
    def unit_names(self) -> list[str]:
        """Names of the units, by index."""

    @property
    def groups(self) -> Groups:
        """The groups: what a later fold needs, with `grids`, to be merged with this state."""

    @property
    def grids(self) -> Grids:
        """The bin edges."""

    @property
    def over_confident_ratio(self) -> float:
        """The draft is over-confident where q > p and q >= this * p."""

    @property
    def parts(self) -> list[str]:
        """What was counted, in the order of `PARTS`."""

    @property
    def discarded(self) -> Literal["full", "counted", "unknown"]:
        """What is known of discarded tokens: everything, as in a fold, or less after a replay.

        "counted": p is not known of all of them, so that they are in no histogram of p, q, p - q or log(p /
        q), nor in n_surer and n_over_confident; their numbers and positions are exact. "unknown": nothing
        is. n_drafted, n_discarded, n_rounds_cut_eos and n_rounds_cut_threshold are 0 then, and say nothing.
        """

    @property
    def n_rows(self) -> int:
        """Rows of traces counted: those of prompts that are in a group, each once."""

    @property
    def n_rows_unmapped(self) -> int:
        """Rows of traces left out because their prompt is in no group."""

    @property
    def n_rounds(self) -> int:
        """Rounds counted."""

    @property
    def n_rounds_unmapped(self) -> int:
        """Rounds left out because their prompt is in no group."""

    def histogram(self, quantity: str, *, group: str | None = None, verdict: str | None = None) -> Histogram:
        """Give the histogram of `p`, `q`, `difference`, `log_ratio` or `joint`, in the UHI protocol.

        Its axes are group, verdict and the quantity (for `joint`: p, then q). With `group` or `verdict` it
        is that of one group or verdict, without the axis. Raises ValueError for a name that is none.
        """

    def histograms(self) -> Table:
        """Columns group, verdict, quantity, bin, low, high, count: every bin, empty ones too.

        quantity is p, q, difference (p - q) or log_ratio, those of them that were counted; verdict is
        rejected, accepted or discarded. The underflow bin of log_ratio (p = 0 included) has low = -inf, the
        overflow bin (q = 0 < p included) has high = inf.
        """

    def joint_histogram(self) -> Table:
        """Columns group, verdict, p_bin, q_bin, p_low, p_high, q_low, q_high, count: cells not empty."""

    def positions(self) -> Table:
        """Columns group, verdict, position, count: drafted tokens by draft position, where there are any."""

    def surer(self) -> Table:
        """Columns group, verdict, n, n_surer, n_over_confident: one row per group and verdict.

        All tokens; those with q > p; of these, those with q >= over_confident_ratio * p.
        """

    def unit_histograms(self) -> Table:
        """Columns unit, group, verdict, quantity, bin, low, high, count: bins that are not empty.

        quantity is p, q or difference, each in 64 equal bins.
        """

    def prompts(self) -> Table:
        """One row per prompt and sample seen in traces or rounds, sorted; each once, whatever its groups.

        Columns prompt, sample; from traces n_drafted, n_judged, n_accepted, n_rejected, n_discarded; from
        rounds n_rounds, n_emitted, n_requested, n_rounds_cut_max_length, n_rounds_cut_eos,
        n_rounds_cut_threshold; judged tokens with q > p: n_surer_accepted, n_surer_rejected, and of these
        n_over_confident_accepted, n_over_confident_rejected; over judged tokens sum_overlap (clipped to [0,
        1]), sum_severity (of (1 - p/q)+, 0 where q = 0) and sum_entropy (nats), with the numbers of values
        n_overlap, n_severity, n_entropy (NaN left out).
        """

    def prompt_positions(self) -> Table:
        """Columns prompt, position, n_judged, n_accepted, sorted, where anything was judged."""

    def tokens(self) -> Table:
        """Columns token, unit, group, n_surer_accepted, n_surer_rejected, n_prompts and two more, sorted.

        Judged tokens with q > p. n_prompts, n_prompts_accepted and n_prompts_rejected count distinct
        prompts: with any such token, with an accepted one, with a rejected one.
        """

    def calibration(self) -> Table:
        """Columns bin, low, high, n_judged, n_accepted, sum_min_ratio: judged tokens by min(1, p/q).

        20 equal bins of [0, 1) and, as bin 20, the atom at 1 (also where q = 0). Each row of a trace counts
        once.
        """

def empty(
    groups: Groups,
    *,
    grids: Grids,
    parts: Sequence[str] | None = None,
    over_confident_ratio: float = 2.0,
) -> State:
    """Make a state that has counted nothing; what the arguments mean and raise, `fold` says."""

def fold(
    traces: Iterable[str | PathLike[str] | Shard] | _ArrowStream | _ArrowArray,
    rounds: Iterable[str | PathLike[str] | Shard] | _ArrowStream | _ArrowArray | None,
    groups: Groups,
    *,
    grids: Grids,
    parts: Sequence[str] | None = None,
    over_confident_ratio: float = 2.0,
    threads: int | None = None,
    progress: Callable[[int, int | None], object] | None = None,
) -> State:
    """Count traces and rounds, from Parquet files or any Arrow stream, on all cores or `threads` of them.

    Columns of traces: prompt (uint64), sample, round, position, offset (uint16), token (uint32), p, q,
    overlap, entropy (float32; the last two NaN where not computed), verdict (uint8: 0 rejected, 1 accepted,
    2 discarded). Of rounds: prompt, sample, round, requested, drafted, accepted, emitted (uint16),
    next_token (uint32), next_p (float32; null where there is none), censored (uint8: why drafting stopped: 0
    not, 1 max_length, 2 eos, 3 threshold). They are found by name, others are ignored, and rows may come in
    any order.

    `parts` are names out of `PARTS`, all of them by default; the fold costs what they cost. Columns that no
    part needs may be missing, and are not decoded, so that damage in them goes unnoticed. Where `prompts` is
    left out, rounds must be None.

    Rows of prompts in no group are checked, counted as unmapped and left out.

    Streams: anything with `__arrow_c_stream__` or `__arrow_c_array__`, in any chunks. pandas gives a NaN of
    its own float columns as a null, which is an error here; columns of `pandas.ArrowDtype` keep it. A duckdb
    connection serves one stream at a time; `connection.cursor()` gives another.

    The interpreter lock is released; a stream of Python objects takes it for each batch. Ctrl-C ends the
    fold within a second (a stream that waits inside its own code: when that returns), and so does an
    exception in `progress`; both are raised from here.

    `progress` gets rows done and rows in all, traces and rounds together, or None where a stream does not
    say. It is called in the calling thread, a few times a second at most, with numbers of rows that never
    fall, and at the end with both equal.

    Memory: for each thread one set of counters and a few batches, or a `Shard` of at most 64 MiB that is
    read as a whole. It does not grow with the number of rows, but with that of prompts and samples
    (`prompts`), of their positions (`prompt_positions`) and of distinct tokens per prompt (`tokens`).

    Raises DataError for a wrong or missing column, a null outside next_token and next_p, a probability that
    is NaN or outside [0, 1], an impossible position, entropy, verdict or reason, or a damaged file, naming
    file, row and column: of several faults, the first row's. Raises OSError for a file that cannot be
    opened, ValueError for an unknown part, no threads, or a ratio that is below 1 or not finite, TypeError
    for tables that are neither files nor Arrow.
    """

def replay(
    paths: Iterable[str | PathLike[str] | Shard] | _ArrowStream | _ArrowArray,
    settings: Mapping[str, Replay],
    groups: Groups,
    *,
    max_new_tokens: int,
    eos: Sequence[int],
    tails: Iterable[str | PathLike[str] | Shard] | _ArrowStream | _ArrowArray | None = None,
    grids: Grids,
    parts: Sequence[str] | None = None,
    over_confident_ratio: float = 2.0,
    threads: int | None = None,
    progress: Callable[[int, int | None], object] | None = None,
) -> dict[str, State]:
    """Count paths under many settings at once: for each, the state that a fold of its records gives.

    Columns of paths, one row per emitted token: prompt (uint64), sample, offset (uint16), token, proposal
    (uint32), fate (uint8: 1 accepted, 0 rejected), p, q, proposal_p, proposal_q, overlap, entropy (float32;
    the last two NaN where not computed, and needed for the part `prompts` alone). Offsets of a path count
    from 0 without a gap; it has `max_new_tokens` rows, or ends before that with one of the tokens of `eos`.
    The rows of a prompt and sample stand together, once.

    Columns of tails, what the draft goes on with after a rejected proposal: prompt, sample, start (the
    proposal's offset), offset (start + 1, start + 2, ...; uint16), token (uint32), q, p (float32; p is NaN
    where not computed). The rows of a prompt and sample stand together, its tails in the order of start.
    Files may come in any order; each belongs to paths of the same call. A tail must be there, and long
    enough or ended by an end of text, wherever a setting discards tokens (`tail_lengths`).

    `State.discarded` is "full" where tails are given, "counted" where p is missing of a discarded token of
    the setting, "unknown" without tails. Rounds are counted where `parts` has `prompts`.

    What `groups`, `grids`, `parts`, `over_confident_ratio`, `threads` and `progress` are, and how streams
    and Ctrl-C are handled, `fold` says; `progress` gets rows of paths. Bits do not depend on files, order of
    rows, batches or threads.

    Memory: for each thread and setting one set of counters, and a few thousand paths with their tails. It
    does not grow with the number of rows, but by about 100 bytes with each path; with `order` by a byte or
    two for each row as well. Tails in files are found by prompt and sample, which are read first, and
    decoded with their paths, once where both are in the same order. A stream of tails is held, and one of
    paths with `order`, which is read twice.

    Raises DataError for whatever breaks this, naming file, row and column, of several faults the first
    row's; also for a prompt that has paths and is not in an `order`, or the reverse, and for gamma above
    65535. ValueError, OSError and TypeError as `fold`.
    """

def replay_records(
    paths: Iterable[str | PathLike[str] | Shard] | _ArrowStream | _ArrowArray,
    setting: Replay,
    *,
    max_new_tokens: int,
    eos: Sequence[int],
    tails: Iterable[str | PathLike[str] | Shard] | _ArrowStream | _ArrowArray | None = None,
) -> tuple[Table, Table]:
    """Give the rows of traces and of rounds under a setting, path by path in the order of `paths`.

    Their columns are those that `fold` reads; overlap and entropy are NaN where tokens were discarded, and
    next_token and next_p are null where an accepted end of text ended the text. All of them are held.

    Raises as `replay`, and DataError where a tail is needed and missing, or its p.
    """

def tail_lengths(
    paths: Iterable[str | PathLike[str] | Shard] | _ArrowStream | _ArrowArray,
    settings: Sequence[Replay],
    *,
    max_new_tokens: int,
    eos: Sequence[int],
) -> Table:
    """Give the tails that settings need: columns prompt (uint64), sample, start, length (uint16).

    One row for each rejected proposal after which one of the settings may discard tokens, in the order of
    `paths`. `length` is the most that any of them can, before it is known where the draft ends a text or
    falls below a threshold: a tail of so many tokens, or one that ends a text before, is enough for all.

    Raises as `replay`.
    """

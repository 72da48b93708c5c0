"""Folds token records of speculative decoding by group, exact to the bit.

One pass over the tables `traces` (one row per drafted token) and `rounds` (one row per round) gives a
`State`. Equal input gives equal bits, whatever the sharding, order, chunking and number of threads, and
states merge to the same bits in any tree. Probabilities have no unit, entropies are nats, counts are whole
numbers up to 2**64 - 1; sums are kept in fixed point (`round(x * 2**40)`, half to even) and given as the
nearest float64.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from typing import ClassVar, Protocol, SupportsFloat, final, type_check_only

__all__ = [
    "DataError",
    "Grids",
    "Groups",
    "State",
    "StateError",
    "Table",
    "__version__",
    "empty",
    "fold",
]

__version__: str

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
    """Data that break the contract: the message names file, row and column."""

class StateError(ValueError):
    """States that cannot be merged, or a saved state that cannot be read."""

@final
class Grids:
    """Bin edges: one grid for p and for q, one for p - q, one for each axis of the joint histogram.

    A value's bin is (number of edges <= value) - 1, in float64, and the last edge belongs to the last bin.
    The edges of log(p / q) are fixed: -8, -7.75, ..., 8, with an underflow bin before and an overflow bin
    after them.
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __new__(cls, probability: _Edges, difference: _Edges, joint: _Edges) -> Grids:
        """Check the edges: finite, strictly increasing, from 0 to 1 (`difference`: from -1 to 1) exactly.

        Raises ValueError with a sentence otherwise.
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
class Table:
    """A table of results, for anything that takes Arrow streams: `pyarrow.table(state.prompts())`."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Give the table as an Arrow C stream."""

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""

    def __len__(self) -> int: ...

@final
class State:
    """Everything a fold has counted. Comes from `fold`, `empty`, `load` or `from_bytes`."""

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
        """Add all that `other` has counted. StateError where grids, groups or over_confident_ratio differ."""

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
    def grids(self) -> Grids:
        """The bin edges."""

    @property
    def over_confident_ratio(self) -> float:
        """The draft is over-confident where q > p and q >= this * p."""

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

    def histograms(self) -> Table:
        """Columns group, verdict, quantity, bin, low, high, count: every bin, empty ones too.

        quantity is p, q, difference (p - q) or log_ratio; verdict is rejected, accepted or discarded. The
        underflow bin of log_ratio (p = 0 included) has low = -inf, the overflow bin (q = 0 < p included)
        has high = inf.
        """

    def joint_histogram(self) -> Table:
        """Columns group, verdict, p_bin, q_bin, p_low, p_high, q_low, q_high, count: cells not empty."""

    def positions(self) -> Table:
        """Columns group, verdict, position, count: drafted tokens by draft position, where there are any."""

    def unit_histograms(self) -> Table:
        """Columns unit, group, verdict, quantity, bin, low, high, count: 64 equal bins, if not empty."""

    def prompts(self) -> Table:
        """One row per prompt and sample seen in traces or rounds, sorted; each once, whatever its groups.

        Columns prompt, sample; from traces n_drafted, n_judged, n_accepted, n_rejected, n_discarded; from
        rounds n_rounds, n_emitted, n_requested, n_rounds_cut_max_length, n_rounds_cut_eos,
        n_rounds_cut_threshold; judged tokens with q > p: n_surer_accepted, n_surer_rejected, and of these
        n_over_confident_accepted, n_over_confident_rejected; over judged tokens sum_overlap (clipped to [0,
        1]), sum_severity (of (1 - p/q)+, 0 where q = 0) and sum_entropy, with the numbers of values
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

def empty(groups: Groups, *, grids: Grids, over_confident_ratio: float = 2.0) -> State:
    """Make a state that has counted nothing."""

def fold(
    traces: Iterable[str | PathLike[str]] | _ArrowStream | _ArrowArray,
    rounds: Iterable[str | PathLike[str]] | _ArrowStream | _ArrowArray | None,
    groups: Groups,
    *,
    grids: Grids,
    over_confident_ratio: float = 2.0,
    threads: int | None = None,
    progress: Callable[[int, int | None], object] | None = None,
) -> State:
    """Count traces and rounds, from Parquet files or any Arrow stream, on all cores or `threads` of them.

    Columns are found by name; others are ignored. Rows of prompts in no group are checked, counted as
    unmapped and left out. `progress` gets rows done and rows in all (None where a stream does not say), at
    most a few times a second. Ctrl-C, or an exception in `progress`, ends the fold.

    Raises DataError for a wrong or missing column, a null outside next_token and next_p, a probability that
    is NaN or outside [0, 1], an impossible position, entropy, verdict or reason, or a damaged file, naming
    file, row and column: of several faults, the first row's. Raises OSError for a file that cannot be
    opened.
    """

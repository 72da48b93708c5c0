"""What the tables need of an aggregate: the one file that knows the columns of `rust_agg`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

import rust_agg
from specgap.tables.calibration import CalibrationBin
from specgap.tables.cell import CellCounts
from specgap.tables.counts import Counts, Discarded, PromptCounts
from specgap.tables.keys import group_key, split_key
from specgap.tables.membership import Group
from specgap.tables.positions import Positions
from specgap.tables.surer import SurerCounts

_COUNTS = {
    "rounds": "n_rounds",
    "cut": "n_rounds_cut_max_length",
    "emitted": "n_emitted",
    "accepted": "n_accepted",
    "rejected": "n_rejected",
    "discarded": "n_discarded",
    "surer_accepted": "n_surer_accepted",
    "surer_rejected": "n_surer_rejected",
    "over_confident_accepted": "n_over_confident_accepted",
    "over_confident_rejected": "n_over_confident_rejected",
    "overlap_values": "n_overlap",
    "entropy_values": "n_entropy",
}
_SUMS = {"overlap_sum": "sum_overlap", "severity_sum": "sum_severity", "entropy_sum": "sum_entropy"}


def cell_counts(state: rust_agg.State) -> CellCounts:
    """Read an aggregate's tables once."""
    prompts = _frame(state.prompts())
    return CellCounts(
        prompts=_prompts(prompts),
        positions=_positions(_frame(state.prompt_positions())),
        histograms=histogram_counts(state),
        joint_histogram=_known(_frame(state.joint_histogram()), discarded_of(state)),
        calibration=_calibration(_frame(state.calibration())),
        discarded=discarded_of(state),
        samples=_samples(prompts),
        unit_histograms=_frame(state.unit_histograms()),
    )


def prompt_counts(state: rust_agg.State) -> dict[int, Counts]:
    """Return what was counted for each prompt id, samples summed."""
    return _prompts(_frame(state.prompts()))


def counted_prompts(state: rust_agg.State) -> PromptCounts:
    """Return what inference rests on, which is less than `cell_counts`."""
    prompts = _frame(state.prompts())
    return PromptCounts(prompts=_prompts(prompts), samples=_samples(prompts), discarded=discarded_of(state))


def histogram_counts(state: rust_agg.State) -> pd.DataFrame:
    """Return the histograms; without discarded tokens where their p and q are not known."""
    return _known(_frame(state.histograms()), discarded_of(state))


def token_counts(state: rust_agg.State) -> pd.DataFrame:
    """Return how often each token was surer, by group, unit and verdict."""
    return _frame(state.tokens())


def discarded_of(state: rust_agg.State) -> Discarded:
    """Return what an aggregate knows of discarded tokens."""
    known: Discarded = state.discarded
    return known


def of_grouping(frame: pd.DataFrame, grouping: str, groups: Sequence[Group]) -> pd.DataFrame:
    """Return the rows of a grouping, with `group` as plain names and the groups in listed order."""
    at = {group_key(grouping, group.name): number for number, group in enumerate(groups)}
    place = frame["group"].map(at)
    frame = frame[place.notna()].assign(place=place[place.notna()].astype(int))
    frame = frame.sort_values("place", kind="stable")
    return frame.assign(group=[split_key(key)[1] for key in frame["group"]]).reset_index(drop=True)


def surer_counts(tokens: pd.DataFrame, grouping: str, groups: Sequence[Group]) -> SurerCounts:
    """Return how often each token was surer by group and verdict; the units of a group share no prompt."""
    frame = of_grouping(tokens, grouping, groups)
    parts = []
    for verdict, name in ((1, "accepted"), (0, "rejected")):
        columns = {f"n_surer_{name}": "count", f"n_prompts_{name}": "n_prompts"}
        part = frame.groupby(["place", "token"], sort=True)[list(columns)].sum().rename(columns=columns)
        parts.append(part[part["count"] > 0].reset_index().assign(verdict=verdict))
    both = pd.concat(parts, ignore_index=True)
    column = {name: both[name].to_numpy(dtype=np.int64) for name in both.columns}
    return SurerCounts(
        column["place"], column["verdict"], column["token"], column["count"], column["n_prompts"]
    )


def _known(frame: pd.DataFrame, discarded: Discarded) -> pd.DataFrame:
    # Zero counts would say that no token was discarded.
    return frame if discarded == "full" else frame[frame["verdict"] != "discarded"]


def _frame(table: object) -> pd.DataFrame:
    frame: pd.DataFrame = pa.table(table).to_pandas()
    return frame


def _prompts(frame: pd.DataFrame) -> dict[int, Counts]:
    counts: dict[int, Counts] = {}
    columns = {field: frame[name].tolist() for field, name in (_COUNTS | _SUMS).items()}
    for at, prompt in enumerate(frame["prompt"].tolist()):
        # A prompt's sums are exact in float64 (below 2¹³), so its multiple of 2⁻⁴⁰ comes back whole.
        values = {field: round(v[at] * 2**40) if field in _SUMS else v[at] for field, v in columns.items()}
        counts[prompt] = counts.get(prompt, Counts()) + Counts(**values)
    return counts


def _samples(frame: pd.DataFrame) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    columns = (frame[name].tolist() for name in ("prompt", "n_accepted", "n_judged"))
    for prompt, accepted, judged in zip(*columns, strict=True):
        found.setdefault(prompt, []).append((accepted, judged))
    return found


def _positions(frame: pd.DataFrame) -> dict[int, Positions]:
    positions: dict[int, dict[int, tuple[int, int]]] = {}
    columns = (frame[name].tolist() for name in ("prompt", "position", "n_judged", "n_accepted"))
    for prompt, position, judged, accepted in zip(*columns, strict=True):
        positions.setdefault(prompt, {})[position] = (judged, accepted)
    return dict(positions)


def _calibration(frame: pd.DataFrame) -> list[CalibrationBin]:
    columns = (frame[name].tolist() for name in ("low", "high", "n_accepted", "n_judged", "sum_min_ratio"))
    return [CalibrationBin(*row) for row in zip(*columns, strict=True)]

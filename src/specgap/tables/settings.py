"""Tables over the settings of a pair and decoding: rates by group, and p and q of all prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from specgap.settings import Setting
from specgap.tables import acceptance

#: What a schedule is, before the columns of `acceptance.csv`.
SCHEDULE_COLUMNS = (
    "setting",
    "schedule",
    "num_assistant_tokens",
    "confidence_threshold",
    "carry_state",
    "collector",
    "compared",
    "grouping",
)
HISTOGRAM_COLUMNS = (
    "setting",
    "verdict",
    "quantity",
    "bin",
    "low",
    "high",
    "count",
    "share",
    "mode",
    "pilot",
    "note",
)
_AFTER = acceptance.COLUMNS.index("block_efficiency") + 1
COLUMNS = (
    *SCHEDULE_COLUMNS,
    *acceptance.COLUMNS[:_AFTER],
    "block_efficiency_independent",
    *acceptance.COLUMNS[_AFTER:],
)


@dataclass(frozen=True)
class Part:
    """One setting's acceptance table of one grouping; `compared`: it may stand beside the other settings'."""

    setting: Setting
    collector: str
    compared: bool
    grouping: str
    table: pd.DataFrame


def settings_table(parts: Sequence[Part]) -> pd.DataFrame:
    """Return `settings.csv` from the settings' acceptance tables, in the order given.

    `block_efficiency_independent` is what `block_efficiency` would be if acceptance were independent of the
    draft position: `emitted_if_independent` of γ and of the group's own `acceptance_rate` at `constant-1`,
    where every draft position is the first. It is empty but for compared constant settings without a
    confidence threshold, whose rounds all ask for γ tokens, and where no such setting has γ = 1; rounds cut
    by the length limit (`share_cut`) lower `block_efficiency` alone.
    """
    alphas = _rates_at_one(parts)
    frames = []
    for part in parts:
        setting = part.setting
        front: dict[str, Any] = {
            "setting": setting.name,
            "schedule": setting.schedule,
            "num_assistant_tokens": setting.num_assistant_tokens,
            "confidence_threshold": setting.confidence_threshold,
            "carry_state": setting.carry_state,
            "collector": part.collector,
            "compared": part.compared,
            "grouping": part.grouping,
        }
        theory = [_independent(part, alphas.get((part.grouping, group))) for group in part.table["group"]]
        front["block_efficiency_independent"] = pd.Series(theory, index=part.table.index, dtype=object)
        frames.append(part.table.assign(**front)[list(COLUMNS)].astype(object))
    return pd.concat(frames, ignore_index=True)


def emitted_if_independent(rate: float, gamma: int) -> float:
    """Return the expected tokens per target call where each of γ drafted tokens is accepted with `rate`.

    (1 − α^{γ+1}) / (1 − α): Leviathan et al. (2023), equation 1; γ + 1 for α = 1.

    >>> emitted_if_independent(0.5, 2), emitted_if_independent(1.0, 5)
    (1.75, 6.0)
    """
    return float(gamma + 1) if rate == 1 else (1 - rate ** (gamma + 1)) / (1 - rate)


def is_constant(setting: Setting) -> bool:
    """Say whether every round of a setting asks for the same number of tokens and nothing else stops it."""
    return setting.schedule == "constant" and not setting.confidence_threshold


def _rates_at_one(parts: Sequence[Part]) -> dict[tuple[str, str], float]:
    """Return (grouping, group) to the acceptance rate at `constant-1`."""
    return {
        (part.grouping, group): rate
        for part in parts
        if part.compared and is_constant(part.setting) and part.setting.num_assistant_tokens == 1
        for group, rate in zip(part.table["group"], part.table["acceptance_rate"], strict=True)
        if rate is not None
    }


def _independent(part: Part, alpha: float | None) -> float | None:
    if alpha is None or not part.compared or not is_constant(part.setting):
        return None
    return emitted_if_independent(alpha, part.setting.num_assistant_tokens)


def settings_histograms(by_setting: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the settings' `histograms.csv` from each setting's histograms of all prompts.

    `share` is the count / the tokens of that setting, verdict and quantity, empty where there are none: what
    settings of different numbers of tokens are compared by.
    """
    frames = []
    for setting, histograms in by_setting.items():
        frame = histograms[histograms["quantity"].isin(["p", "q"])].assign(setting=setting)
        n = frame.groupby(["verdict", "quantity"], sort=False)["count"].transform("sum")
        frame["share"] = (frame["count"] / n.where(n > 0)).astype(float)
        frames.append(frame[list(HISTOGRAM_COLUMNS)])
    return pd.concat(frames, ignore_index=True)

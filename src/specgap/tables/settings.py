"""Tables over the settings of a pair and decoding: rates by group, and p and q of all prompts."""

from collections.abc import Mapping, Sequence
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


def settings_table(parts: Sequence[tuple[Setting, str, pd.DataFrame]]) -> pd.DataFrame:
    """Return `settings.csv` from (setting, grouping, its acceptance table), in the order given.

    `block_efficiency_independent` is what `block_efficiency` would be if acceptance were independent of the
    draft position: `emitted_if_independent` of the row's own `acceptance_rate` and γ. It is empty but for
    constant settings without a confidence threshold, whose rounds all ask for γ tokens; rounds cut by the
    length limit (`share_cut`) lower `block_efficiency` alone.
    """
    frames = []
    for setting, grouping, frame in parts:
        front: dict[str, Any] = {
            "setting": setting.name,
            "schedule": setting.schedule,
            "num_assistant_tokens": setting.num_assistant_tokens,
            "confidence_threshold": setting.confidence_threshold,
            "carry_state": setting.carry_state,
            "grouping": grouping,
        }
        theory = [_independent(setting, rate) for rate in frame["acceptance_rate"]]
        front["block_efficiency_independent"] = pd.Series(theory, index=frame.index, dtype=object)
        frames.append(frame.assign(**front)[list(COLUMNS)].astype(object))
    return pd.concat(frames, ignore_index=True)


def emitted_if_independent(rate: float, gamma: int) -> float:
    """Return the expected tokens per target call where each of γ drafted tokens is accepted with `rate`.

    (1 − α^{γ+1}) / (1 − α): Leviathan et al. (2023), equation 1; γ + 1 for α = 1.

    >>> emitted_if_independent(0.5, 2), emitted_if_independent(1.0, 5)
    (1.75, 6.0)
    """
    return float(gamma + 1) if rate == 1 else (1 - rate ** (gamma + 1)) / (1 - rate)


def _independent(setting: Setting, rate: float | None) -> float | None:
    if setting.schedule != "constant" or setting.confidence_threshold or rate is None:
        return None
    return emitted_if_independent(rate, setting.num_assistant_tokens)


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

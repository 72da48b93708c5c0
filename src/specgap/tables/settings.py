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
)


def settings_table(parts: Sequence[tuple[Setting, str, pd.DataFrame]]) -> pd.DataFrame:
    """Return `settings.csv` from (setting, grouping, its acceptance table), in the order given."""
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
        frames.append(frame.assign(**front)[[*SCHEDULE_COLUMNS, *acceptance.COLUMNS]].astype(object))
    return pd.concat(frames, ignore_index=True)


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

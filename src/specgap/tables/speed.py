"""`measured_speed_up.csv`: how much faster assisted generation was than the target alone, by the clock.

`schema.PLAIN_TIMINGS` are the seconds of the target alone, by prompt and sample, whole continuations:
`generate` from its call to its last token, prompt included, models loaded and warmed up before. The assisted
side sums `draft_seconds` and `verify_seconds` of `schema.TIMINGS` over a continuation's rounds, which cover
the same stretch (what the recorder takes is not in them). Both must have been measured on one device, their
prompts interleaved, so that a busy minute slows both.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from specgap.errors import TableError
from specgap.stats.ratio import log_interval, ratio_of
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Row, frame_of
from specgap.tables.membership import Group

COLUMNS = (
    "setting",
    "grouping",
    "group",
    "n_prompts",
    "n_terms",
    "plain_seconds",
    "assisted_seconds",
    "measured_speed_up",
    "measured_speed_up_low",
    "measured_speed_up_high",
    "device",
    "mode",
    "pilot",
    "note",
)
_KEYS = ["prompt", "sample"]


def measured_speed_up(
    plain: pd.DataFrame,
    assisted: pd.DataFrame,
    groups: Mapping[str, Sequence[Group]],
    *,
    setting: str,
    devices: tuple[str, str],
    mode: Mode,
) -> pd.DataFrame:
    """Return seconds per prompt by group (mean over its prompts, samples summed), and their ratio.

    `plain` has the columns of `schema.PLAIN_TIMINGS`, `assisted` those of `schema.TIMINGS`; continuations
    that only one side has are left out. `devices` are the names of the devices of both runs.
    `measured_speed_up` is Σ plain / Σ assisted seconds; its 95 % interval is taken on the logarithm with
    prompts as clusters. Raises `TableError` where the devices differ or no continuation was timed on both
    sides.
    """
    if devices[0] != devices[1]:
        raise TableError(
            f"the target alone was timed on {devices[0]} and {setting} on {devices[1]}; wanted one device, "
            "since seconds of two devices make no speed-up"
        )
    both = _joined(plain, assisted)
    if both.empty:
        raise TableError(
            f"none of the {len(plain)} continuations of the target alone was timed with {setting} too; "
            "wanted the same prompts and samples"
        )
    seconds = both.groupby("prompt", sort=True)[["plain", "assisted"]].sum()
    known = {int(prompt): place for place, prompt in enumerate(seconds.index)}
    rows = [
        {**_row(group, known, seconds.to_numpy()), "grouping": grouping}
        for grouping, of in groups.items()
        for group in of
    ]
    return frame_of(
        [{**row, "setting": setting, "device": devices[0], "mode": mode} for row in rows], COLUMNS
    )


def _joined(plain: pd.DataFrame, assisted: pd.DataFrame) -> pd.DataFrame:
    rounds = assisted.assign(assisted=assisted["draft_seconds"] + assisted["verify_seconds"])
    whole = rounds.groupby(_KEYS, as_index=False, sort=True)["assisted"].sum()
    return plain.rename(columns={"seconds": "plain"}).merge(whole, on=_KEYS, how="inner")


def _row(group: Group, known: Mapping[int, int], seconds: np.ndarray) -> Row:
    timed = seconds[[known[prompt] for prompt in group.prompts if prompt in known]]
    speed = ratio_of(timed[:, 0], timed[:, 1])
    ends = log_interval(speed)
    low, high = ends if ends is not None else (None, None)
    n = len(timed)
    notes = [*group.notes, *([] if n else ["no prompt timed both ways"])]
    notes += ["no interval: one prompt"] if n == 1 else []
    return {
        "group": group.name,
        "n_prompts": n,
        "n_terms": group.n_terms,
        "plain_seconds": float(timed[:, 0].mean()) if n else None,
        "assisted_seconds": float(timed[:, 1].mean()) if n else None,
        "measured_speed_up": speed.value,
        "measured_speed_up_low": low,
        "measured_speed_up_high": high,
        "pilot": group.pilot,
        "note": "; ".join(notes),
    }

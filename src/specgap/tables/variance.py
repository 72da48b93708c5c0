"""`variance.csv`: where the variance of the acceptance rate sits, one row per source."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from specgap.stats.variance import variance_components
from specgap.tables.acceptance import Mode
from specgap.tables.counts import frame_of
from specgap.tables.layout import Entries
from specgap.tables.membership import PROMPTS_AS_UNITS, Group

COLUMNS = ("component", "variance", "sd_points", "share", "n_levels", "mode", "pilot", "note")
#: (accepted, judged) of each sample of a prompt.
Samples = Sequence[tuple[int, int]]


def variance(
    groups: Sequence[Group], found: Entries, samples: Mapping[int, Samples], *, mode: Mode
) -> pd.DataFrame:
    """Return the rows group, term, template, prompt, sample: REML on the rates of samples, each weight 1.

    `samples` holds what was counted for each prompt id; samples with nothing judged are left out. `sd_points`
    is the square root of `variance` in percentage points, `share` its part of all that could be told apart,
    `n_levels` the number of groups, terms, templates, prompts and samples with something judged.
    `stats.variance` says what each row is, `note` what a layout cannot tell apart and which row holds it.
    """
    judged = [
        (entry, accepted / n)
        for entry, prompt in enumerate(found.prompts)
        for accepted, n in samples.get(prompt, ())
        if n
    ]
    entry = np.array([at for at, _ in judged], dtype=np.int64)
    components = variance_components(np.array([rate for _, rate in judged]), entry, found.layout)
    pilot = groups[0].pilot if groups else None
    told = [*([] if found.layout.has_terms else [PROMPTS_AS_UNITS]), *_shared_note(found.prompts)]
    rows = [
        {
            "component": one.name,
            "variance": one.variance,
            "sd_points": one.sd_points,
            "share": one.share,
            "n_levels": one.n_levels,
            "mode": mode,
            "pilot": pilot,
            "note": "; ".join(filter(None, [one.note, *told])),
        }
        for one in components
    ]
    return frame_of(rows, COLUMNS)


def _shared_note(prompts: Sequence[int]) -> list[str]:
    extra = len(prompts) - len(set(prompts))
    return [f"prompts in several groups count in each: {extra} more"] if extra else []

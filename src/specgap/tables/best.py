"""`best_schedule.csv`: which setting serves which group best, and what each loses at the best one for all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from specgap.config import OVERALL
from specgap.settings import Setting
from specgap.stats.ratio import clustered_se, ratio_of
from specgap.tables.acceptance import NO_COST_RATIO, NOT_COLLECTED, Mode, modelled_speed_up
from specgap.tables.counts import Counts, Row, frame_of, ratio, total
from specgap.tables.membership import Group
from specgap.tables.settings import is_constant

COLUMNS = (
    "grouping",
    "group",
    "among",
    "n_settings",
    "n_prompts",
    "n_terms",
    "cost_ratio",
    "best_setting",
    "best_num_assistant_tokens",
    "best_block_efficiency",
    "best_speed_up",
    "near_best_low",
    "near_best_high",
    "average_setting",
    "average_num_assistant_tokens",
    "average_block_efficiency",
    "average_speed_up",
    "loss_percent",
    "loss_percent_se",
    "mode",
    "pilot",
    "note",
)
_LEFT_OUT = f"settings left out: {NOT_COLLECTED}"
#: What a group's best is chosen among.
CONSTANT, EVERY = "constant", "all settings"
#: Constant settings within this much of the best one's speed-up are as good as it.
NEAR_PERCENT = 1.0


@dataclass(frozen=True)
class Swept:
    """A setting with each prompt's counts; `has_drafted`: the number of drafted tokens is known."""

    setting: Setting
    prompts: Mapping[int, Counts]
    has_drafted: bool = True


def best_schedule(
    swept: Sequence[Swept],
    groups: Mapping[str, Sequence[Group]],
    *,
    mode: Mode,
    cost_ratio: float | None,
) -> pd.DataFrame:
    """Return one row per group, and one for all prompts, among constant settings and among all settings.

    `swept` are settings over the same prompts, in the config's order; those that carry γ from prompt to
    prompt are left out, since what a group gets there depends on whom it follows. `groups` are those of the
    main grouping and `overall`. The best setting has the greatest modelled speed-up (ties: the first, among
    constant ones the least γ); `average_setting` is the best one for all prompts together.
    `near_best_low` and `near_best_high` are the least and greatest γ around a best constant setting that stay
    within `NEAR_PERCENT` of its speed-up. `loss_percent` is what the group loses of its best speed-up at
    `average_setting`; as the best of several it is never negative, and greater than 0 by chance too.
    `loss_percent_se` treats prompts as clusters and both settings as chosen beforehand. Settings whose
    discarded tokens are not known are left out, which the notes say.
    """
    known = [one for one in swept if one.has_drafted and not one.setting.carry_state]
    constant = sorted(
        (one for one in known if is_constant(one.setting)), key=lambda one: one.setting.num_assistant_tokens
    )
    why = NO_COST_RATIO if cost_ratio is None else "" if known else NOT_COLLECTED
    n_unknown = sum(not one.has_drafted for one in swept)
    left = f"{n_unknown} of {len(swept)} {_LEFT_OUT}" if n_unknown and known else ""
    rows = []
    for among, chosen in ((CONSTANT, constant), (EVERY, known)):
        usable = chosen if cost_ratio is not None else []
        rows += list(_rows(among, usable, groups, mode, cost_ratio or 0.0, why, left))
    return frame_of([{**row, "cost_ratio": cost_ratio} for row in rows], COLUMNS)


def left_out(note: object) -> str:
    """Return which settings a row was not chosen among, as the end of its note says; empty where all."""
    end = str(note).rsplit("; ", 1)[-1]
    return end if end.endswith(_LEFT_OUT) else ""


def _rows(
    among: str,
    swept: Sequence[Swept],
    groups: Mapping[str, Sequence[Group]],
    mode: Mode,
    cost_ratio: float,
    why: str,
    left: str,
) -> Iterator[Row]:
    [everyone] = groups[OVERALL]
    average = _best(swept, everyone, cost_ratio)
    for grouping in (*(name for name in groups if name != OVERALL), OVERALL):
        for group in groups[grouping]:
            about = {
                "grouping": grouping,
                "group": group.name,
                "among": among,
                "n_settings": len(swept),
                "n_prompts": group.n_prompts,
                "n_terms": group.n_terms,
                "mode": mode,
                "pilot": group.pilot,
            }
            best = _best(swept, group, cost_ratio)
            missing = why or ("" if swept else "no constant setting")
            if best is None or average is None:
                yield {**about, "note": "; ".join([*group.notes, missing or "no rounds"])}
                continue
            near = _near(swept, group, best, cost_ratio) if among == CONSTANT else {}
            found = {**_at("best", best, group, cost_ratio), **_at("average", average, group, cost_ratio)}
            loss = _loss(best, average, group, cost_ratio)
            yield {
                **about,
                **found,
                **near,
                **loss,
                "note": "; ".join([*group.notes, *([left] if left else [])]),
            }


def _counts(one: Swept, group: Group) -> list[Counts]:
    return [one.prompts.get(prompt, Counts()) for prompt in group.prompts]


def _speed_up(one: Swept, group: Group, cost_ratio: float) -> float | None:
    return modelled_speed_up(total(_counts(one, group)), cost_ratio)


def _best(swept: Sequence[Swept], group: Group, cost_ratio: float) -> Swept | None:
    """Return the setting with the greatest speed-up; the first of equal ones."""
    found = [(one, speed) for one in swept if (speed := _speed_up(one, group, cost_ratio)) is not None]
    return max(found, key=lambda pair: pair[1])[0] if found else None


def _at(prefix: str, one: Swept, group: Group, cost_ratio: float) -> Row:
    n = total(_counts(one, group))
    return {
        f"{prefix}_setting": one.setting.name,
        f"{prefix}_num_assistant_tokens": one.setting.num_assistant_tokens,
        f"{prefix}_block_efficiency": ratio(n.emitted, n.rounds),
        f"{prefix}_speed_up": modelled_speed_up(n, cost_ratio),
    }


def _near(swept: Sequence[Swept], group: Group, best: Swept, cost_ratio: float) -> Row:
    """Return the stretch of γ around the best one, with no setting in it that is worse by more."""
    speeds = [_speed_up(one, group, cost_ratio) or 0.0 for one in swept]
    at = list(swept).index(best)
    least = speeds[at] * (1 - NEAR_PERCENT / 100)
    low, high = at, at
    while low > 0 and speeds[low - 1] >= least:
        low -= 1
    while high + 1 < len(speeds) and speeds[high + 1] >= least:
        high += 1
    gammas = [one.setting.num_assistant_tokens for one in swept]
    return {"near_best_low": gammas[low], "near_best_high": gammas[high]}


def _loss(best: Swept, average: Swept, group: Group, cost_ratio: float) -> Row:
    if best is average:
        return {"loss_percent": 0.0}
    at_best, at_average = (_speed_up(one, group, cost_ratio) for one in (best, average))
    assert at_best is not None
    if at_average is None:
        return {}
    kept = at_average / at_best
    # A speed-up is emitted tokens over calls at their cost; its logarithm's shares are relative ones.
    shares = _relative(average, group, cost_ratio) - _relative(best, group, cost_ratio)
    se = clustered_se(shares)
    return {
        "loss_percent": 100 * (1 - kept),
        "loss_percent_se": None if se is None else 100 * kept * se,
    }


def _relative(one: Swept, group: Group, cost_ratio: float) -> np.ndarray:
    """Return each prompt's share in the error of the logarithm of a speed-up."""
    counts = _counts(one, group)
    speed = ratio_of([n.emitted for n in counts], [n.rounds + cost_ratio * n.drafted for n in counts])
    return speed.shares / speed.value if speed.value else np.zeros(len(counts))

"""Tables over settings with made-up fates, which every setting shares, as replay has it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from specgap.config import OVERALL
from specgap.prompts import PromptSet
from specgap.schema import ROUNDS
from specgap.settings import Setting
from specgap.tables.acceptance import Mode, acceptance
from specgap.tables.best import Swept, best_schedule
from specgap.tables.counts import Counts
from specgap.tables.cross_check import cross_check
from specgap.tables.csv import write_table
from specgap.tables.membership import groups_in
from specgap.tables.names import schedule_key
from specgap.tables.orders import group_orders, order_effect
from specgap.tables.schedule_state import schedule_state
from specgap.tables.settings import Part, settings_histograms, settings_table
from specgap.tables.speed import measured_speed_up
from tests.support.records import prompt_set, row

N_TOKENS = 48
#: What the issue asks of a default sweep, and more: constant, heuristic, thresholds.
DENSE = tuple(
    f"{schedule}-{n}{threshold}"
    for schedule, numbers in (("constant", (*range(1, 13), 16, 20)), ("heuristic", (3, 5, 10)))
    for n in numbers
    for threshold in ("", "-t0.2", "-t0.4")
)


def setting_of(name: str) -> Setting:
    """Return the setting that a name like `heuristic-5-t0.4-carried-assisted` describes."""
    schedule, number, *more = name.split("-")
    return Setting(
        schedule=schedule,  # type: ignore[arg-type]
        num_assistant_tokens=int(number),
        confidence_threshold=next((float(word[1:]) for word in more if word.startswith("t0")), 0.0),
        carry_state="carried" in more,
        collector="assisted" if "assisted" in more else None,
        name=name,
    )


class Fates:
    """What becomes of the proposal at each offset of each prompt's text, and how sure the draft was there."""

    def __init__(self, prompts: PromptSet, *, seed: int = 0, empty: Sequence[str] = ()) -> None:
        rng = np.random.default_rng(seed)
        places = {group: place for place, group in enumerate(prompts.groups_of(prompts.groupings[0]))}
        self.empty = {row.prompt for row in prompts.rows if set(row.groups["category"]) & set(empty)}
        self.accepted: dict[int, np.ndarray] = {}
        self.sure: dict[int, np.ndarray] = {}
        for one in prompts.rows:
            ease = 0.9 - 0.25 * (places[one.groups["category"][0]] % 5) + rng.normal(0, 0.4)
            sure = rng.beta(0.8, 0.5, N_TOKENS)
            self.accepted[one.prompt] = rng.random(N_TOKENS) < 1 / (1 + np.exp(-ease - 2 * (sure - 0.6)))
            self.sure[one.prompt] = sure

    def rounds(self, prompt: int, setting: Setting, gamma: int) -> Iterator[tuple[int, int, int, int, bool]]:
        """Yield requested γ, drafted, accepted, emitted and whether the length limit cut it, by round."""
        at, accepted, sure = 0, self.accepted[prompt], self.sure[prompt]
        while at < N_TOKENS:
            most = 0 if prompt in self.empty else min(gamma, N_TOKENS - at - 1)
            unsure = np.flatnonzero(sure[at : at + most] < setting.confidence_threshold)
            drafted = int(unsure[0]) + 1 if len(unsure) else most
            failed = np.flatnonzero(~accepted[at : at + drafted])
            kept = int(failed[0]) if len(failed) else drafted
            yield gamma, drafted, kept, kept + 1, gamma > most
            at += kept + 1
            if setting.schedule != "constant":
                gamma = gamma + 2 if kept == drafted else max(1, gamma - 1)

    def counts(self, setting: Setting, prompts: Sequence[int]) -> dict[int, Counts]:
        """Return each prompt's counts; γ goes on from prompt to prompt where the setting carries it."""
        found, gamma = {}, setting.num_assistant_tokens
        for prompt in prompts:
            rounds = list(self.rounds(prompt, setting, gamma))
            if setting.carry_state:
                gamma, drafted, kept, *_ = rounds[-1]
                gamma = gamma + 2 if kept == drafted else max(1, gamma - 1)
            _, drafted, kept, emitted, cut = (sum(column) for column in zip(*rounds, strict=True))
            failed = sum(one[2] < one[1] for one in rounds)
            found[prompt] = Counts(
                rounds=len(rounds),
                cut=cut,
                emitted=emitted,
                accepted=kept,
                rejected=failed,
                discarded=drafted - kept - failed,
                overlap_values=kept + failed,
                overlap_sum=(kept + failed) << 39,
                entropy_values=kept + failed,
                entropy_sum=(kept + failed) << 40,
            )
        return found


def prompts_of(groups: Mapping[str, tuple[int, int]]) -> PromptSet:
    """Return prompts of these groups of (terms, templates)."""
    return prompt_set(
        *(
            row(f"{group} {term} {template}", group, term=f"{group} {term}", template=f"t{template}")
            for group, (terms, templates) in groups.items()
            for term in range(terms)
            for template in range(templates)
        )
    )


def write_over_settings(
    folder: Path,
    groups: Mapping[str, tuple[int, int]],
    *,
    settings: Sequence[str],
    histograms_of: Mapping[str, pd.DataFrame],
    mode: Mode = "sampled",
    empty: Sequence[str] = (),
    cost_ratio: float | None = 0.1,
    discarded: str = "counted",
) -> None:
    """Write every table over settings; `histograms_of` are those of all prompts by setting."""
    prompts = prompts_of(groups)
    fates = Fates(prompts, empty=empty)
    main = prompts.groupings[0]
    both = {main: groups_in(prompts, main), OVERALL: groups_in(prompts, OVERALL)}
    parts, swept, schedules = [], [], set()
    for name in settings:
        setting = setting_of(name)
        counts = fates.counts(setting, prompts.distinct)
        compared = schedule_key(setting) not in schedules
        schedules.add(schedule_key(setting))
        if compared:
            swept.append(Swept(setting, counts, has_drafted=discarded != "unknown"))
        collector = setting.collector or "replay"
        for grouping, of in both.items():
            table = acceptance(counts, of, mode=mode, discarded=discarded, cost_ratio=cost_ratio)  # type: ignore[arg-type]
            parts.append(Part(setting, collector, compared, grouping, table))
    write_table(folder / "settings.csv", settings_table(parts))
    write_table(folder / "histograms.csv", settings_histograms(histograms_of))
    best = best_schedule(swept, both, mode=mode, cost_ratio=cost_ratio)
    write_table(folder / "best_schedule.csv", best)
    _write_checks(folder, prompts, fates, mode, empty)


def _write_checks(folder: Path, prompts: PromptSet, fates: Fates, mode: Mode, empty: Sequence[str]) -> None:
    main = prompts.groupings[0]
    both = {main: groups_in(prompts, main), OVERALL: groups_in(prompts, OVERALL)}
    heuristic, carried = setting_of("heuristic-5"), setting_of("heuristic-5-carried")
    real = Fates(prompts, seed=0 if mode == "greedy" else 1, empty=empty)
    replayed, checked = (one.counts(heuristic, prompts.distinct) for one in (fates, real))
    some = {prompt: n for place, (prompt, n) in enumerate(checked.items()) if place % 3 == 0}
    check = cross_check(replayed, some, both, mode=mode, discarded="full")
    names = {"replayed": "heuristic-5", "checked": "heuristic-5-assisted", "collector": "assisted"}
    write_table(folder / "cross_check.csv", check.assign(**names))
    orders = group_orders(prompts, np.random.default_rng(1))
    effect = order_effect(
        [(order, fates.counts(carried, order.prompts)) for order in orders],
        replayed,
        both[main],
        setting="heuristic-5",
        mode=mode,
    )
    write_table(folder / "order_effect.csv", effect)
    rounds = write_rounds(folder / "rounds.parquet", prompts, fates, heuristic)
    state = schedule_state([rounds], setting="heuristic-5", mode=mode, pilot=None)
    write_table(folder / "schedule_state.csv", state)
    plain, assisted = _timings(prompts, replayed)
    speed = measured_speed_up(
        plain, assisted, both, setting="heuristic-5-assisted", devices=("cpu (a)", "cpu (a)"), mode=mode
    )
    write_table(folder / "measured_speed_up.csv", speed)


def write_rounds(path: Path, prompts: PromptSet, fates: Fates, setting: Setting) -> Path:
    """Write the rounds of every prompt as a shard has them, without what they emitted."""
    rows = [
        (prompt, 0, number, gamma, drafted, kept, emitted, None, None, 0)
        for prompt in prompts.distinct
        for number, (gamma, drafted, kept, emitted, _) in enumerate(
            fates.rounds(prompt, setting, setting.num_assistant_tokens)
        )
    ]
    columns = zip(*rows, strict=True)
    table = pa.table([pa.array(c, f.type) for c, f in zip(columns, ROUNDS, strict=True)], schema=ROUNDS)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def _timings(prompts: PromptSet, counts: Mapping[int, Counts]) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(3)
    plain, assisted = [], []
    for prompt in prompts.distinct:
        n = counts[prompt]
        plain.append((prompt, 0, 0.01 * N_TOKENS * math.exp(rng.normal(0, 0.05))))
        seconds = 0.002 * n.drafted + 0.011 * n.rounds
        assisted.append((prompt, 0, 0, 0.002 * n.drafted, (seconds - 0.002 * n.drafted)))
    return (
        pd.DataFrame(plain, columns=["prompt", "sample", "seconds"]),
        pd.DataFrame(assisted, columns=["prompt", "sample", "round", "draft_seconds", "verify_seconds"]),
    )

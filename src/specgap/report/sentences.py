"""What a cell's tables say, in a sentence each."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from specgap.config import OVERALL
from specgap.figures.visible import one_line
from specgap.stats.claims import ALPHA, p_words, signed
from specgap.tables.best import CONSTANT, left_out
from specgap.tables.csv import read_table
from specgap.tables.headline import HEADLINE_UNITS, headline
from specgap.tables.orders import CARRIED


def about_groups(folder: Path) -> list[str]:
    """Say what may be claimed of the groups of a cell, which comes first, and where their rates run."""
    claim = one_line(str(read_table(folder / "gap_test.csv")["claim"].iloc[0]))
    found = headline(read_table(folder / "group_differences.csv"))
    if found is None:
        return [claim]
    among = f"Among groups of {HEADLINE_UNITS} or more {found.units}" if found.is_broad else "By group"
    # The greatest difference is that of the lowest and the highest rate; a is the higher.
    low, high = (_end(found.row, side) for side in "ba")
    return [
        claim,
        f"{among} the pooled acceptance rate runs from {low} to {high}: "
        f"{found.row['difference_pp']:.1f} percentage points.",
    ]


def about_settings(folder: Path, tables: Sequence[str]) -> list[str]:
    """Say what the tables over settings in a folder come to; `tables` are the names of those there are."""
    said: list[str] = []
    for name, of in (
        ("best_schedule", _best),
        ("cross_check", _checks),
        ("order_effect", _orders),
    ):
        if name in tables:
            said += of(read_table(folder / f"{name}.csv"))
    return said


def about_pairs(folder: Path) -> list[str]:
    """Say of each target with several drafts for which group they differ most, and whether that is chance."""
    table = read_table(folder / "pair_differences.csv")
    groups = table[table["grouping"] != OVERALL]
    return [_drafts(one_line(str(target)), rows) for target, rows in groups.groupby("target", sort=False)]


def _drafts(target: str, rows: pd.DataFrame) -> str:
    """Say the largest difference between drafts of a target: of those with a p-value, if any has one."""
    head = f"Of the drafts of {target}, "
    known = rows.dropna(subset=["difference_pp"])
    if known.empty:
        return f"{head}none can be compared with another: no prompt was judged under both."
    tested = known.dropna(subset=["p_adjusted"])
    among = (known if tested.empty else tested).sort_values(
        "difference_pp", key=abs, ascending=False, kind="stable"
    )
    row = among.iloc[0]
    if not row["difference_pp"]:
        return f"{head}none differs from another in any group."
    sign, sides = (1, "ab") if row["difference_pp"] > 0 else (-1, "ba")
    better, worse = (one_line(row[f"pair_{side}"]) for side in sides)
    said = (
        f"{head}{better} and {worse} differ most for {one_line(row['group'])}: {better} has "
        f"{abs(row['difference_pp']):.1f} percentage points more of its judged tokens accepted"
    )
    if tested.empty:
        return f"{said}; there is no test of it ({one_line(row['note'])})."
    low, high = sorted((sign * row["like_low_pp"], sign * row["like_high_pp"]))
    p, n = row["p_adjusted"], int((tested["p_adjusted"] < ALPHA).sum())
    units = "prompts" if pd.isna(row["n_terms"]) else "terms"
    return (
        f"{said} (95 % interval for {units} like these {signed(low)} to {signed(high)}; adjusted p "
        f"{'< 0.0001' if p < 0.0001 else f'= {p_words(p)}'}), "
        f"{'more than chance' if p < ALPHA else 'not distinguishable from chance'}; "
        f"{n} of {len(tested)} differences by group are more than chance{_changes(tested)}."
    )


def _changes(tested: pd.DataFrame) -> str:
    """Say for how many groups the choice of the draft moves the gap to all other prompts."""
    known = tested["change_p_adjusted"].dropna()
    n = int((known < ALPHA).sum())
    return f", and {n} of {len(known)} changes of a group's gap to all other prompts" if len(known) else ""


def _end(row: "pd.Series[Any]", side: str) -> str:
    rate, group, n = (row[f"{name}_{side}"] for name in ("acceptance_rate", "group", "n_judged"))
    return f"{rate:.3f} ({one_line(group)}, n {n:,.0f})"


def _best(table: pd.DataFrame) -> Iterator[str]:
    """Say which γ is best for all prompts, and who loses most at it."""
    known = table[table["best_speed_up"].notna()]
    rows = known[known["among"] == CONSTANT] if CONSTANT in set(known["among"]) else known
    groups = rows[rows["grouping"] != OVERALL].dropna(subset=["loss_percent"])
    if groups.empty:
        return
    worst = groups.sort_values("loss_percent", ascending=False, kind="stable").iloc[0]
    everyone = rows[rows["grouping"] == OVERALL].iloc[0]
    which = "constant setting" if everyone["among"] == CONSTANT else "setting"
    common = (
        f"If a draft call costs {everyone['cost_ratio']:.3g} target calls, the {which} with the greatest "
        f"modelled speed-up for all prompts is {one_line(everyone['best_setting'])} "
        f"({everyone['best_speed_up']:.2f}×)"
    )
    if left := left_out(everyone["note"]):
        common += f", {left}"
    if not worst["loss_percent"]:
        yield f"{common}; it is the best one for every group."
        return
    se = worst["loss_percent_se"]
    error = f" ± {se:.1f}" if pd.notna(se) else ""
    yield (
        f"{common}; at it {one_line(worst['group'])} loses most of its own best speed-up, "
        f"{worst['loss_percent']:.1f}{error} % (with {one_line(worst['best_setting'])}: "
        f"{worst['best_speed_up']:.2f}×)."
    )


def _checks(table: pd.DataFrame) -> Iterator[str]:
    """Say how far replay and real rounds are apart."""
    rates = table[table["quantity"] == "acceptance_rate"]
    for _, rows in rates.groupby(["replayed", "checked"], sort=False):
        everyone = rows[rows["grouping"] == OVERALL].iloc[0]
        head = (
            f"Live cross-check on {everyone['n_prompts']:,.0f} prompts: {one_line(everyone['replayed'])} "
            f"replayed and {one_line(everyone['checked'])} by real rounds"
        )
        if everyone["mode"] == "greedy":
            yield f"{head} {_equal(everyone['n_prompts_differ'])}."
        elif pd.notna(everyone["z"]):
            yield (
                f"{head} accept {everyone['replayed_value']:.3f} and {everyone['checked_value']:.3f} of "
                f"judged tokens, {signed(everyone['z'])} standard errors apart{_range(rows)}."
            )


def _equal(n_differ: float) -> str:
    if not n_differ:
        return "have the same accepted, rejected and emitted tokens and rounds for every prompt"
    return f"differ for {n_differ:,.0f} of them"


def _range(rows: pd.DataFrame) -> str:
    z = rows.loc[rows["grouping"] != OVERALL, "z"].dropna()
    return f" (by group {signed(z.min())} to {signed(z.max())})" if len(z) > 1 else ""


def _orders(table: pd.DataFrame) -> Iterator[str]:
    """Say how much the order of the groups moves a group's rate."""
    carried = table[table["series"] == CARRIED].dropna(subset=["draft_acceptance_rate"])
    if carried["order"].nunique() < 2:
        return
    rates = carried.groupby("group", sort=False)["draft_acceptance_rate"]
    spread = 100 * (rates.max() - rates.min())
    yield (
        f"Where γ is carried from prompt to prompt ({one_line(carried['setting'].iloc[0])}), the order of "
        f"the groups alone moves the share of drafted tokens accepted by up to {spread.max():.1f} "
        f"percentage points ({one_line(str(spread.idxmax()))})."
    )

"""Which files the tables of a cell are, known before anything is counted, as a workflow wants it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from specgap.config import OVERALL, Study
from specgap.layout import ALL_PAIRS, ALL_SETTINGS, Cell, table_file
from specgap.settings import SCHEDULE_KEYS, Setting

#: Tables with a row per group, or more, written for every grouping.
GROUP_TABLES = (
    "acceptance",
    "acceptance_by_position",
    "histograms",
    "joint_histogram",
)
#: Tables of what may be claimed of groups, written for every grouping; all prompts together have the first.
INFERENCE_TABLES = (
    "intervals",
    "group_differences",
    "gap_test",
    "gap_null",
    "power",
    "terms",
    "distances",
    "distributions",
    "adjusted_differences",
    "standardised_acceptance",
    "variance",
    "mixed_model",
)
#: Those of the two that need p and q, draft positions, or what models say of the prompts.
_OF_TOKENS = (
    "acceptance_by_position",
    "histograms",
    "joint_histogram",
    "distances",
    "distributions",
    "adjusted_differences",
    "standardised_acceptance",
)
#: The others need no more than counts of prompts: all that there is where a server counted.
COUNT_TABLES = tuple(table for table in (*GROUP_TABLES, *INFERENCE_TABLES) if table not in _OF_TOKENS)
#: Tables of a setting without figures.
SWEPT_TABLES = ("acceptance", "intervals")
#: The one that needs records beside counts.
SURER_TABLE = "surer_tokens"
#: Tables of tokens with q > p, which need the vocabulary; all prompts together have the first.
TOKEN_TABLES = (SURER_TABLE, "distinctive_tokens")
#: Tables that know no groups.
PLAIN_TABLES = ("calibration",)
_TABLES = (*GROUP_TABLES, *INFERENCE_TABLES, *TOKEN_TABLES, *PLAIN_TABLES)
#: Tables of the main grouping alone.
APPENDIX_TABLES = ("mixed_model",)
#: Tables that go into a paper: a booktabs `.tex` stands beside their CSV.
WITH_TEX = frozenset(
    {
        "acceptance",
        "acceptance_by_position",
        "intervals",
        "group_differences",
        "gap_test",
        "surer_tokens",
        "distinctive_tokens",
        "calibration",
        "settings",
        "best_schedule",
        "cross_check",
        "measured_speed_up",
        "prompts",
        "pairs_overview",
        "pair_differences",
    }
)
#: Tables over settings that every decoding of several settings has.
SETTINGS_TABLES = ("settings", "histograms", "best_schedule")
#: Tables over the pairs of a study, which lie in the folder `all` of pairs.
PAIRS_TABLES = ("pairs_overview", "pair_differences")
#: Tables that are made of records or rounds, not of counts.
RECORD_TABLES = ("schedule_state", "order_effect", "measured_speed_up")
#: Tables of measured times, which no run writes unless they are asked for.
TIMING_TABLES = ("measured_speed_up",)


def cell_table_names(groupings: Sequence[str]) -> list[str]:
    """Return the names of all files that a cell's counts are tabulated in, in that order.

    `groupings` are the study's, the main one first; the tables of all prompts together come with them.

    >>> [name for name in cell_table_names(["category"]) if name.startswith("acceptance.")]
    ['acceptance.csv', 'acceptance.tex']
    """
    plain = [file for table in PLAIN_TABLES for file in files_of(table)]
    return _of_groupings(GROUP_TABLES, groupings) + plain


def inference_table_names(groupings: Sequence[str]) -> list[str]:
    """Return the names of all files that say what may be claimed of a cell's groups, in order.

    >>> inference_table_names(["category"])[:2]
    ['intervals.csv', 'intervals.tex']
    """
    return _of_groupings(INFERENCE_TABLES, groupings)


def swept_table_names(groupings: Sequence[str]) -> list[str]:
    """Return the names of all files that the tables of a setting without figures are written to.

    >>> swept_table_names(["category"])[::2]
    ['acceptance.csv', 'intervals.csv', 'acceptance--overall.csv', 'intervals--overall.csv']
    """
    return _of_groupings(SWEPT_TABLES, groupings)


def count_table_names(groupings: Sequence[str]) -> list[str]:
    """Return the names of all files that counts of a server are tabulated in.

    >>> count_table_names(["category"])[:2]
    ['acceptance.csv', 'acceptance.tex']
    """
    return _of_groupings(COUNT_TABLES, groupings)


def tables_of(study: Study, cell: Cell) -> Sequence[str]:
    """Return the tables, whatever their grouping, of a cell: of one setting, all settings or all pairs."""
    if cell.pair == ALL_PAIRS:
        return PAIRS_TABLES
    return settings_tables(study, cell.decoding) if cell.setting == ALL_SETTINGS else cell_tables(study)


def cell_tables(study: Study) -> tuple[str, ...]:
    """Return the tables, whatever their grouping, that a cell with figures has."""
    return COUNT_TABLES if study.collector == "counts" else _TABLES


def without_tokens(study: Study) -> list[str]:
    """Return the sentence that says which tables a study of counts has not; none for any other study."""
    if study.collector != "counts":
        return []
    missing = [name for name in _TABLES if name not in COUNT_TABLES]
    return [
        "counts hold neither p and q of tokens nor draft positions, so these tables are left out, and all "
        f"figures that need either: {', '.join(missing)}"
    ]


def surer_table_names(groupings: Sequence[str]) -> list[str]:
    """Return the names of all files that tokens with q > p of one cell are written to.

    >>> surer_table_names(["category"])[1:3]
    ['surer_tokens.tex', 'distinctive_tokens.csv']
    """
    return _of_groupings(TOKEN_TABLES, groupings)


# Over settings ---------------------------------------------------------------------------------------


def settings_tables(study: Study, decoding: str) -> list[str]:
    """Return the names of the tables over the settings of a decoding, without those of measured times.

    Beside `SETTINGS_TABLES` they are `cross_check`, `schedule_state` and `order_effect`, each where it has
    something to show; `cross_checks`, `state_setting` and `order_setting` say of which settings.
    """
    found = list(SETTINGS_TABLES)
    found += ["cross_check"] if cross_checks(study, decoding) else []
    found += ["schedule_state"] if state_setting(study, decoding) else []
    return found + (["order_effect"] if order_setting(study, decoding) else [])


def files_of(table: str) -> list[str]:
    """Return the names of the files that one table over settings, or of prompts, is written to.

    >>> files_of("settings"), files_of("order_effect")
    (['settings.csv', 'settings.tex'], ['order_effect.csv'])
    """
    return _with_tex(table, f"{table}.csv")


def settings_table_names() -> list[str]:
    """Return the names of the files of `SETTINGS_TABLES`, which are written together.

    >>> settings_table_names()[:3]
    ['settings.csv', 'settings.tex', 'histograms.csv']
    """
    return [file for table in SETTINGS_TABLES for file in files_of(table)]


def cross_checks(study: Study, decoding: str) -> list[tuple[Setting, Setting]]:
    """Return each replayed setting with one of its schedule by real rounds (`heuristic-5-assisted`)."""
    replayed = study.replayed_settings_of(decoding)
    real = [setting for setting in study.settings_of(decoding) if setting not in replayed]
    return [(one, other) for other in real for one in replayed if schedule_key(one) == schedule_key(other)]


def state_setting(study: Study, decoding: str) -> Setting | None:
    """Return the first setting with figures, else with records, of which γ over rounds is shown."""
    stored = [*study.figure_settings_of(decoding), *study.stored_settings_of(decoding)]
    moving = [setting for setting in stored if setting.schedule != "constant" and setting.limit is None]
    return moving[0] if moving else None


def order_setting(study: Study, decoding: str) -> Setting | None:
    """Return the replayed heuristic setting whose γ is carried through random orders of the groups.

    The first one that starts every prompt anew, those with figures before others; None where the number of
    discarded tokens is not collected, or some prompts are not traced yet.
    """
    replayed = study.replayed_settings_of(decoding)
    drawn_first = [one for one in (*study.figure_settings_of(decoding), *replayed) if one in replayed]
    fit = [one for one in drawn_first if one.schedule == "heuristic" and not one.carry_state]
    return fit[0] if fit and study.tails != "none" and not study.partial else None


def schedule_key(setting: Setting) -> tuple[Any, ...]:
    """Return the same for settings whose rounds have the same law."""
    return tuple(getattr(setting, key) for key in SCHEDULE_KEYS)


def pairs_table_names() -> list[str]:
    """Return the names of the files of `PAIRS_TABLES`, which are written together."""
    return [file for table in PAIRS_TABLES for file in files_of(table)]


def prompts_table_names() -> list[str]:
    """Return the names of the files that the table of prompts is written to."""
    return files_of("prompts")


def has_table(table: str, grouping: str, groupings: Sequence[str]) -> bool:
    """Return whether a grouping has a table.

    All prompts together have no differences between groups, and an appendix is for the main grouping alone.
    """
    if grouping == OVERALL:
        return table not in (*INFERENCE_TABLES[1:], *TOKEN_TABLES[1:])
    return grouping == groupings[0] or table not in APPENDIX_TABLES


def only_csv(names: Iterable[str]) -> list[str]:
    """Return those of `names` that are CSV files."""
    return [name for name in names if name.endswith(".csv")]


def _of_groupings(tables: Sequence[str], groupings: Sequence[str]) -> list[str]:
    return [
        file
        for grouping in (*groupings, OVERALL)
        for table in tables
        if has_table(table, grouping, groupings)
        for file in _with_tex(table, table_file(Path(), table, grouping, main=groupings[0]).name)
    ]


def _with_tex(table: str, csv: str) -> list[str]:
    return [csv, f"{csv.removesuffix('.csv')}.tex"] if table in WITH_TEX else [csv]

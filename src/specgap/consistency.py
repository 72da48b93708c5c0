"""What keys of a config must be to each other; each refusal is a `ValueError` of one sentence."""

from typing import TYPE_CHECKING

from specgap.names import check_name
from specgap.settings import Setting

if TYPE_CHECKING:
    from specgap.config import Study

#: Grouping that every study has: all prompts, each once.
OVERALL = "overall"


def check_names(study: "Study") -> None:
    """Refuse names that cannot be folders of `results/`, or that stand twice."""
    for what, names in (("a pair", study.pairs), ("a decoding", study.decodings)):
        if not names:
            raise ValueError(f"no {what[2:]}s; wanted at least one")
        for name in names:
            check_name(name, what=what)
    for setting in study.settings:
        check_name(setting.name, what="a setting")
    if isinstance(study.groupings, list):
        _check_groupings([grouping.name for grouping in study.groupings])
    if study.results == study.resources_folder:
        raise ValueError(f"results and resources_folder are both {study.results!r}; wanted two folders")


def _check_groupings(names: list[str]) -> None:
    if not names:
        raise ValueError("no groupings; wanted at least one")
    for name in names:
        check_name(name, what="a grouping")
        if names.count(name) > 1 or name == OVERALL:
            raise ValueError(
                f"a grouping named {name!r}, twice or taken; wanted each once, and not {OVERALL!r}"
            )


def check_settings(study: "Study") -> None:
    """Refuse settings that stand twice, that are listed but not there, or that their collector cannot do."""
    names = [setting.name for setting in study.settings]
    if not names:
        raise ValueError("no settings; wanted at least one")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two settings named {name!r}; wanted each name once")
    for key, decoding in study.decodings.items():
        _check_listed(f"decodings.{key}.settings", decoding.settings or [], names)
    _check_listed("figures.settings", study.figures.settings or [], names)
    for setting in study.settings:
        _check_collector(setting, study.collector_of(setting))


def _check_listed(key: str, chosen: list[str], names: list[str]) -> None:
    for name in chosen:
        if chosen.count(name) > 1:
            raise ValueError(f"{key} lists {name!r} twice; wanted each setting once")
        if name not in names:
            raise ValueError(f"{key} lists {name!r}; wanted one of {', '.join(names)}")


def _check_collector(setting: Setting, collector: str) -> None:
    if setting.carry_state and collector == "batched":
        raise ValueError(
            f"setting {setting.name!r} has carry_state with collector batched, whose prompts run side by "
            "side; wanted replay or assisted"
        )
    if setting.limit is not None and collector == "replay":
        raise ValueError(
            f"setting {setting.name!r} has a limit with collector replay, which has all prompts for the "
            "price of one setting; wanted assisted or batched, or the limit of the study"
        )

"""What keys of a config must be to each other; each refusal is a `ValueError` of one sentence."""

from typing import TYPE_CHECKING

from specgap.names import check_name
from specgap.served import FORMAT, count_files
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


def check_counts(study: "Study") -> None:
    """Refuse what counts cannot have: other prompts, several decodings or settings in a file, traces."""
    given = [name for name, pair in study.pairs.items() if pair.counts is not None]
    if study.collector != "counts":
        if given or study.prompts.format == FORMAT:
            what = f"pairs.{given[0]}.counts" if given else f"prompts.format {FORMAT}"
            raise ValueError(f"{what} with collector {study.collector}; wanted collector: counts beside it")
        return
    if missing := [name for name in study.pairs if name not in given]:
        raise ValueError(
            f"pairs.{missing[0]} has no counts with collector counts; wanted the CSV of its counts"
        )
    files = count_files(pair.counts for pair in study.pairs.values())
    if (study.prompts.files, study.prompts.format) != (files, FORMAT):
        raise ValueError("prompts with collector counts, whose rows are the prompts; wanted the key left out")
    for key, names in (("decodings", list(study.decodings)), ("settings", [s.name for s in study.settings])):
        if len(names) > 1:
            raise ValueError(
                f"{len(names)} {key} ({', '.join(names)}) with collector counts; wanted one, and a pair for "
                "each file of counts"
            )
    if own := [setting.name for setting in study.settings if setting.collector or setting.limit]:
        raise ValueError(
            f"setting {own[0]!r} has a collector or a limit with collector counts; wanted neither"
        )
    if study.partial:
        raise ValueError("partial with collector counts, which traces nothing; wanted one of them")


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

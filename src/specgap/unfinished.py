"""A study that is still being traced, looked at: what there is of it so far, before any shard is opened.

What is counted of it lies in a results folder of its own, `partial/` below the study's: no file there is an
output of the run that traces, so Snakemake's lock lets both run at once, and nothing partial can be taken
for whole. `specgap.gather` takes over the shards. No heavy import: the workflow asks this before any job.
"""

from collections.abc import Iterator
from pathlib import Path

from specgap.config import Study
from specgap.errors import ConfigError
from specgap.layout import ALL_SETTINGS, Cell, run_cells, run_of, shard_file

FOLDER = "partial"


def narrowed(study: Study) -> Study:
    """Return a study with what there is of it so far: pairs that have shards, results below the whole ones.

    Raises `ConfigError` where no pair has any.
    """
    whole = Path(study.results)
    there = {cell for cell in run_cells(study) if stamps(study, cell, whole)}
    pairs = {name: pair for name, pair in study.pairs.items() if not _wanting(name, there, whole)}
    if not pairs:
        raise ConfigError(
            f"partial is true, but {study.results!r} has no pair with a whole shard and its vocabulary yet; "
            "wanted the study without `partial` to have run for a while"
        )
    absent = []
    for pair in pairs:
        for decoding in study.decodings:
            cells = [Cell(pair, decoding, setting.name) for setting in study.settings_of(decoding)]
            missing = [cell.folder for cell in cells if run_of(study, cell) not in there]
            everything = [Cell(pair, decoding, ALL_SETTINGS).folder] if len(missing) == len(cells) else []
            absent += missing + everything
    return study.model_copy(update={"results": f"{study.results}/{FOLDER}", "pairs": pairs, "absent": absent})


def left_out(study: Study, narrow: Study) -> Iterator[str]:
    """Yield what a reader must know that a partial study leaves out."""
    for decoding in study.decodings:
        every = study.model_copy(update={"partial": False}).settings_of(decoding)
        if carried := [setting.name for setting in every if setting not in study.settings_of(decoding)]:
            yield f"partial: {', '.join(carried)} of {decoding} left out, which carry γ through all prompts"
    if gone := [name for name in study.pairs if name not in narrow.pairs]:
        yield f"partial: pairs without a whole shard or their vocabulary left out: {', '.join(gone)}"
    if narrow.absent:
        yield f"partial: no figures yet of {', '.join(narrow.absent)}"


def whole_results(study: Study) -> Path:
    """Return the results folder of the study of which this one is a part."""
    return Path(study.results).parent


def stamps(study: Study, cell: Cell, whole: Path) -> list[tuple[str, int]]:
    """Return name and time (ns) of each shard of one of `run_cells` that has all of its kinds, by name.

    What is said of a shard is written last, so one that is being written has no name here.
    """
    by_kind = [_sidecars(whole, kind, cell) for kind in kinds_of(study, cell)]
    names = set.intersection(*map(set, by_kind))
    return sorted((name, max(stamped[name] for stamped in by_kind)) for name in names)


def kinds_of(study: Study, cell: Cell) -> tuple[str, ...]:
    """Return the kinds of shards that a run leaves, each with sidecars of its own."""
    if cell.setting:
        return ("traces",)
    tailed = study.tailed_settings_of(cell.decoding, full=False)
    return ("paths", "tails") if tailed else ("paths",)


def measured_files(results: Path, pair: str) -> tuple[Path, Path]:
    """Return where the prompts' measures under a pair and the text of its tokens are kept."""
    return results / "prompts" / f"{pair}.parquet", results / "vocabularies" / f"{pair}.parquet"


def _sidecars(whole: Path, kind: str, cell: Cell) -> dict[str, int]:
    found = {}
    for file in shard_file(whole, kind, cell, "").parent.glob("s*.json"):
        if file.name.endswith(".done.json"):
            continue
        try:
            found[file.stem] = file.stat().st_mtime_ns
        except FileNotFoundError:
            continue  # it is being written again
    return found


def _wanting(pair: str, there: set[Cell], whole: Path) -> bool:
    return pair not in {cell.pair for cell in there} or not all(
        file.is_file() for file in measured_files(whole, pair)
    )

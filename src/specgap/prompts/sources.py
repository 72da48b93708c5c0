"""Which files a study's prompts are read from, and which of them have to be fetched first."""

from pathlib import Path

from specgap.config import Prompts, Study
from specgap.files import read_json
from specgap.names import file_name
from specgap.prompts.honest import HONEST_FILES


def source_files(study: Study) -> list[Path]:
    """Return the files that `load_prompts` reads, as the config names them."""
    resources = Path(study.resources_folder)
    if study.prompts.fetch == "honest":
        return [resources / "honest" / file.name for file in HONEST_FILES]
    if study.prompts.dataset:
        return [dataset_file(resources, study.prompts)]
    return [Path(path) for path in study.prompts.files or ()]


def needs_fetch(study: Study) -> bool:
    """Return whether the prompts come from elsewhere, so that a rule has to fetch them first."""
    return made_by(study) is not None


def made_by(study: Study) -> str | None:
    """Return the rule that makes the prompt files, None where the user has them."""
    if study.prompts.fetch == "honest":
        return "fetch_honest"
    return "fetch_dataset" if study.prompts.dataset else None


def dataset_file(resources: Path, prompts: Prompts) -> Path:
    """Return where a dataset's rows are kept; each id, revision and split has a file of its own."""
    parts = [prompts.dataset or "", prompts.name or "", prompts.revision or "", prompts.split]
    return resources / "datasets" / f"{file_name('@'.join(parts))}.jsonl"


def origin_file(resources: Path, prompts: Prompts) -> Path:
    """Return where the commit is recorded that a dataset's rows are from."""
    return dataset_file(resources, prompts).with_suffix(".origin.json")


def recorded_commit(study: Study) -> str | None:
    """Return the commit that a dataset's rows are from; None of a folder, or where none was fetched."""
    origin = origin_file(Path(study.resources_folder), study.prompts)
    return read_json(origin)["commit"] if origin.is_file() else None

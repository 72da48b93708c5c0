"""Runs with --use-conda, and what they leave that can be held against runs without."""

from pathlib import Path

from tests.support.sandbox import Run, Sandbox

#: What a run leaves that must not depend on how its rules found their Python.
COMPARED = ("figures", "tables", "aggregates", "study/figures", "study/tables", "report.html", "methods.md")


def with_conda(study: Sandbox, prefix: Path, *arguments: str) -> Run:
    """Run a study as README says: the embedded one where the sandbox has no config of its own."""
    config = ["--configfile", study.config.name] if study.config.exists() else []
    return study.workflow(*config, "--use-conda", "--conda-prefix", str(prefix), *arguments)


def compared(results: Path) -> dict[str, bytes]:
    """Return the compared files of a results folder by name."""
    files = [file for name in COMPARED for file in (results / name, *(results / name).rglob("*"))]
    return {str(file.relative_to(results)): file.read_bytes() for file in files if file.is_file()}

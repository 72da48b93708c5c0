"""The environment that Snakemake itself runs in needs no more than the README says."""

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.sandbox import Sandbox
from tests.workflow.conftest import prepare_study

pytestmark = pytest.mark.slow
WANTED = ("snakemake", "pydantic", "pyyaml")

#: Runs Snakemake where no other top-level module than the named ones can be imported.
ALONE = """
import importlib.abc, pkgutil, sys
allowed = set(sys.argv.pop(1).split(","))
class Others(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if path is None and name not in allowed:
            raise ModuleNotFoundError(f"No module named {name!r}, says the test", name=name)
sys.meta_path.insert(0, Others())
every = pkgutil.iter_modules  # Snakemake looks for plugins, which a cluster's user has and others have not
pkgutil.iter_modules = lambda *given: (m for m in every(*given) if given or m.name in allowed)
from snakemake.cli import main
sys.exit(main(sys.argv[1:]))
"""


def modules_of(names: tuple[str, ...]) -> set[str]:
    """Return the top-level modules of distributions and of all that they need, and the standard library's."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            found.add(name)
            needed = map(Requirement, importlib.metadata.requires(name) or [])
            waiting += [
                need.name for need in needed if not need.marker or need.marker.evaluate({"extra": ""})
            ]
    provided = importlib.metadata.packages_distributions()
    modules = {m for m, by in provided.items() if any(re.sub(r"[-_.]+", "-", d).lower() in found for d in by)}
    return modules | set(sys.stdlib_module_names) | {"specgap"}


@pytest.fixture
def study(tmp_path: Path) -> Sandbox:
    return prepare_study(tmp_path / "study")


def test_a_dry_run_needs_snakemake_and_pydantic_alone(study: Sandbox) -> None:
    allowed = modules_of(WANTED)
    assert not {"torch", "pandas", "pyarrow", "numpy", "xxhash"} & allowed
    options = ["--cores", "2", "--configfile", "study.yaml", "--dry-run"]
    run = study.run(sys.executable, "-c", ALONE, ",".join(sorted(allowed)), *options)
    assert run.code == 0, run.output
    assert "write_report" in run.job_counts()

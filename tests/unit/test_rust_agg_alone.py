"""`rust_agg` by itself: its README runs, and pip makes a wheel of it that needs nothing else."""

import importlib.metadata
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import maturin
import pytest

from tests.property.rust_agg_recount import Plan, as_traces, random_traces

CRATE = Path(__file__).parents[2] / "rust_agg"
PLAN = Plan(
    probability=[0, 0.5, 1],
    difference=[-1, 0, 1],
    joint=[0, 0.5, 1],
    group_names=["a"],
    unit_names=["x"],
    members=[(prompt, 0, 0) for prompt in range(9)],
)


def run(*command: str | Path, **options: str) -> str:
    """The output of a command, which must succeed; options are added to the environment."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (CRATE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks[0].splitlines()) <= 12
    monkeypatch.chdir(tmp_path)
    shown = run(sys.executable, "-W", "error", "-c", "\n".join(blocks))
    assert shown.splitlines() == [
        "    group    verdict  n  n_surer  n_over_confident",
        "0  female   rejected  1        1                 1",
        "1  female   accepted  1        0                 0",
        "2  female  discarded  0        0                 0",
        "3    male   rejected  1        1                 0",
        "4    male   accepted  1        0                 0",
        "5    male  discarded  0        0                 0",
    ]


def test_it_declares_no_dependency() -> None:
    required = importlib.metadata.requires("rust_agg") or []
    assert [name for name in required if "extra ==" not in name] == []


ALONE = """
import sys
import rust_agg

state = rust_agg.State.load("a.state")
again = rust_agg.fold(["a.parquet"], None, state.groups, grids=state.grids, parts=state.parts)
assert again.to_bytes() == state.to_bytes()
assert len(again.histograms()) > 0
assert not {"numpy", "pyarrow", "pandas"} & sys.modules.keys()
print(rust_agg.__file__)
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment that holds pip and nothing else."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    return folder


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build backend alone, so that pip finds it without a network and sees no other package."""
    folder = tmp_path_factory.mktemp("backend")
    package = Path(maturin.__file__).parent
    for part in (package, *package.parent.glob("maturin-*.dist-info")):
        (folder / part.name).symlink_to(part)
    return folder


@pytest.mark.landing
def test_pip_makes_a_wheel_for_any_python_and_it_works_alone(
    fresh: Path, backend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = fresh / "bin" / "python"
    build = [
        python,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        tmp_path,
        CRATE,
    ]
    # What `make` has built serves here too: from nothing this takes minutes.
    run(*build, PYTHONPATH=str(backend), CARGO_TARGET_DIR=str(CRATE / "target"))
    (wheel,) = tmp_path.glob("*.whl")
    assert re.fullmatch(r"rust_agg-0\.1\.0-cp311-abi3-\w+\.whl", wheel.name)
    names = zipfile.ZipFile(wheel).namelist()
    assert {"rust_agg/__init__.py", "rust_agg/__init__.pyi", "rust_agg/py.typed"} <= set(names)
    run(python, "-m", "pip", "install", "--no-index", wheel)

    monkeypatch.chdir(tmp_path)
    import pyarrow.parquet as pq

    traces = as_traces(random_traces(1000, seed=3))
    pq.write_table(traces, "a.parquet")
    PLAN.fold(traces).save("a.state")
    assert Path(run(python, "-W", "error", "-c", ALONE).strip()).is_relative_to(fresh)

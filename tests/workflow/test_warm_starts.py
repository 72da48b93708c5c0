"""Jobs of the sandboxes here start warm: a script sees and leaves what it would from a cold start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lab import alive, wait_until
from tests.support.warm import KINDS, START

pytestmark = pytest.mark.slow
_SCRIPT = """
import os, sys
print("torch" in sys.modules, sys.argv[1:], os.getcwd(), os.environ.get("OWN"), __name__)
print("said", file=sys.stderr)
import beside
sys.exit(beside.CODE)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/job.py").write_text(_SCRIPT)
    (tmp_path / "scripts/beside.py").write_text("CODE = 3\n")
    return tmp_path


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, **KINDS["job"].variables, "PYTHONPATH": str(START), **variables}


def started(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "scripts/job.py"), "a b", "--c"]
    return subprocess.run(
        command, cwd=folder, env=environment(**variables), text=True, capture_output=True, check=False
    )


@pytest.mark.parametrize(("variables", "warm"), [({}, True), ({"HF_HOME": "/elsewhere"}, False)])
def test_a_script_has_its_arguments_folder_variables_streams_and_code(
    folder: Path, variables: dict[str, str], warm: bool
) -> None:
    run = started(folder, OWN="ö", **variables)
    assert run.stdout == f"{warm} ['a b', '--c'] {folder} ö __main__\n"
    assert run.stderr == "said\n"
    assert run.returncode == 3


def test_an_error_is_told_and_a_words_exit_is_one(folder: Path) -> None:
    (folder / "scripts/beside.py").write_text("raise ValueError('no')\n")
    run = started(folder)
    assert run.returncode == 1
    assert run.stderr.endswith("ValueError: no\n")
    (folder / "scripts/beside.py").write_text("CODE = 'words'\n")
    run = started(folder)
    assert (run.returncode, run.stderr) == (1, "said\nwords\n")


def test_a_script_ends_with_the_process_that_was_started(folder: Path) -> None:
    (folder / "scripts/job.py").write_text(
        "import os, pathlib, time\npathlib.Path('pid').write_text(f'{os.getpid()}')\ntime.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(folder / "scripts/job.py")], cwd=folder, env=environment()
    )
    file = folder / "pid"
    wait_until(lambda: file.exists() and file.read_text() != "", "the script")
    pid = int(file.read_text())
    assert pid != process.pid
    process.kill()
    process.wait()
    wait_until(lambda: not alive(pid), "the script to end")

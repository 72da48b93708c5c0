"""Jobs on one machine with several GPUs take one each."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from specgap.errors import ModelError
from specgap.models import claims, device

HOLDER = """
import sys, time
from pathlib import Path
from specgap.models.claims import claim_gpu
print(claim_gpu(2, Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def holder(folder: Path) -> tuple["subprocess.Popen[str]", int]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.fixture(autouse=True)
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(claims, "_held", {})
    yield
    for file in claims._held.values():
        os.close(file)


def test_two_jobs_have_two_gpus_and_a_killed_one_gives_its_own_back(tmp_path: Path) -> None:
    first, one = holder(tmp_path)
    second, other = holder(tmp_path)
    try:
        assert {one, other} == {0, 1}
        with pytest.raises(ModelError, match="all 2 GPUs are taken"):
            claims.claim_gpu(2, tmp_path)
        first.kill()
        first.communicate()
        assert claims.claim_gpu(2, tmp_path) == one
        assert claims.claim_gpu(2, tmp_path) == one  # asked again
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()


@pytest.mark.parametrize(("seen", "chosen"), [(1, "cuda"), (4, "cuda:0")])
def test_auto_takes_one_gpu_of_several(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: int, chosen: str
) -> None:
    monkeypatch.setattr(device, "_n_cuda", lambda: seen)
    monkeypatch.setattr(device, "claim_gpu", lambda n: claims.claim_gpu(n, tmp_path))
    assert device.choose_device("auto", gpu_given=True) == chosen

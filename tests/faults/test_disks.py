"""Disks that are full, or take no file at all, under every step that writes."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.faults import Count, counted
from tests.faults.server import Server
from tests.faults.study import Study
from tests.support.size import SIZE

pytestmark = pytest.mark.faults

_PAGE = os.sysconf("SC_PAGE_SIZE")
_ROOMY = 256 << 20


class Disk:
    """A tmpfs, mounted where the results lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def mount(self) -> None:
        self._call("mount", "-t", "tmpfs", "-o", f"size={_ROOMY}", "tmpfs", str(self._folder))

    def unmount(self) -> None:
        self._call("umount", str(self._folder))

    def has_room_for(self, pages: int) -> None:
        """Leave so many free pages."""
        known = os.statvfs(self._folder)
        used = (known.f_blocks - known.f_bfree) * known.f_frsize
        self._options(f"size={used + pages * _PAGE}")

    def is_roomy(self) -> None:
        self._options(f"size={_ROOMY}")

    def is_read_only(self, yes: bool) -> None:
        self._options("ro" if yes else "rw")

    def _options(self, options: str) -> None:
        self._call("mount", "-o", f"remount,{options}", str(self._folder))

    def _call(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def disk(study: Study, tmp_path: Path) -> Iterator[Disk]:
    """The study's results on a disk of their own."""
    kept = shutil.move(study.results, tmp_path / "kept")
    study.results.mkdir()
    made = Disk(study.results)
    made.mount()
    try:
        shutil.copytree(kept, study.results, dirs_exist_ok=True)
        yield made
    finally:
        made.unmount()


def writing(study: Study) -> list[str]:
    """Return the steps that are tried: all, or at small size one of each script."""
    return [*study.steps] if SIZE.every_step else study.one_of_each_script()


def refused(
    study: Study, wanted: dict[str, str], step: str, server: Server, count: Count, *, why: str
) -> bool:
    """Run a step; where it is refused, hold it to one sentence that names the file; say if it was."""
    before, whole = study.stamps(), study.finished(step)
    ending = server.run(study.order(step))
    after = study.stamps()
    lost = [name for name in whole if before[name] != after.get(name)]
    count.kept += len(whole) - len(lost)
    count.lost += len(lost)
    assert lost == []
    if ending.code == 0:
        return False
    count.injected += 1
    count.sentences += 1
    named = [word for word in ending.sentence.split() if word.startswith("results/")]
    assert named, ending.sentence
    assert f"cannot be written ({why})" in ending.sentence, ending.sentence
    found = study.digests()
    torn = [name for name in found if wanted.get(name) != found[name] and ".fingerprints" not in name]
    count.partial += len(torn)
    assert torn == []
    return True


def test_a_full_disk_gives_one_sentence_and_what_was_finished_is_kept(
    study: Study, undisturbed: Study, server: Server, disk: Disk
) -> None:
    wanted = undisturbed.digests()
    with counted("disk-full") as count:
        for step in writing(study):
            study.undo(step)
            before, pages = count.injected, 0
            disk.has_room_for(pages)
            while refused(study, wanted, step, server, count, why="No space left on device"):
                pages = max(pages + 1, int(pages * SIZE.disk_growth))
                disk.has_room_for(pages)
            assert count.injected > before, f"{step} wrote nothing"
            assert study.digests() == wanted, step
            count.equal += 1
            disk.is_roomy()


def test_a_read_only_folder_gives_one_sentence(
    study: Study, undisturbed: Study, server: Server, disk: Disk
) -> None:
    wanted, why = undisturbed.digests(), "Read-only file system"
    with counted("read-only") as count:
        for step in writing(study):
            study.undo(step)
            disk.is_read_only(True)
            assert refused(study, wanted, step, server, count, why=why), f"{step} wrote to a read-only folder"
            disk.is_read_only(False)
            assert not refused(study, wanted, step, server, count, why=why)
            assert study.digests() == wanted, step
            count.equal += 1

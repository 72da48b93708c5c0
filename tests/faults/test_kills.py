"""Steps that are killed, at random moments and at every change they make, and run again."""

import random
import signal

import pytest

from tests.faults.faults import Count, counted
from tests.faults.server import Server
from tests.faults.study import Study
from tests.support.size import SIZE

pytestmark = pytest.mark.faults

#: The four steps that the table names.
KILLED = {
    "traces": "collect_traces heuristic-3-assisted",
    "paths": "collect_paths",
    "aggregate": "aggregate heuristic-3",
    "figures": "draw_figures heuristic-3",
}


#: How names of steps begin that keep what an earlier run of theirs has finished.
GOES_ON = ("collect_", "draw_")


class Disturbed:
    """A step of a study that is killed, looked at, and run again."""

    def __init__(self, study: Study, undisturbed: Study, step: str, server: Server, count: Count) -> None:
        self.study, self.step, self._server, self._count = study, step, server, count
        self._wanted = undisturbed.digests()
        self._undisturbed = undisturbed
        study.undo(step)

    def run(self, **how: object) -> bool:
        """Run the step; return whether it came to its end. Either way, look at what there is."""
        whole = self.study.finished(self.step)
        before = self.study.stamps()
        ending = self._server.run(self.study.order(self.step, **how))
        assert ending.code in (0, -int(how.get("signal", 0) or 0)), ending.output  # type: ignore[call-overload]
        self._look(whole, before)
        if ending.code == 0:
            assert self.study.digests() == self._wanted
        elif how:
            self._count.injected += 1
        return ending.code == 0

    def again(self) -> None:
        """Run the step undisturbed, and begin anew."""
        assert self.run()
        self._count.equal += 1
        self.study.undo(self.step)

    def _look(self, whole: set[str], before: dict[str, tuple[int, int]]) -> None:
        found = self.study.digests()
        wrong = [name for name in found if not name.endswith(".part") and not self._fits(name, found[name])]
        self._count.partial += len(wrong)
        assert wrong == []
        after = self.study.stamps()
        lost = {name for name in whole if before[name] != after.get(name)}
        self._count.kept += len(whole) - len(lost)
        self._count.lost += len(lost)
        assert lost == set()

    def _fits(self, name: str, digest: str) -> bool:
        # What a cell's figures were drawn with grows figure by figure, each time whole.
        return self._wanted.get(name) == digest or name.endswith(".fingerprints.json")


def kill(disturbed: Disturbed, seed: str, times: int, number: int, count: Count) -> None:
    """Kill a step so many times at random moments, each time going on with what the last one left."""
    moments = random.Random(seed)
    # How long the step takes is found on the way, since a shared machine is now quick and now slow.
    longest = 0.3
    while count.injected < times:
        if disturbed.run(signal=number, after=moments.uniform(0, longest)):
            count.equal += 1
            disturbed.study.undo(disturbed.step)
            longest *= 0.8
        else:
            longest *= 1.1
    disturbed.again()


@pytest.mark.parametrize("which", KILLED)
def test_a_step_killed_at_random_moments_ends_byte_equal(
    which: str, study: Study, undisturbed: Study, server: Server
) -> None:
    with counted(f"kill-{which}") as count:
        disturbed = Disturbed(study, undisturbed, KILLED[which], server, count)
        kill(disturbed, which, SIZE.kills, signal.SIGKILL, count)
    assert count.injected == SIZE.kills


@pytest.mark.parametrize("which", KILLED)
def test_a_step_that_is_terminated_ends_byte_equal(
    which: str, study: Study, undisturbed: Study, server: Server
) -> None:
    with counted("term") as count:
        disturbed = Disturbed(study, undisturbed, KILLED[which], server, count)
        kill(disturbed, f"{which} terminated", SIZE.terminations, signal.SIGTERM, count)
    assert count.injected == SIZE.terminations


@pytest.mark.parametrize("begins", [*GOES_ON, "anew"])
def test_every_step_killed_before_its_changes_ends_byte_equal(
    begins: str, study: Study, undisturbed: Study, server: Server
) -> None:
    if begins in GOES_ON:
        steps = [name for name in study.steps if name.startswith(begins)]
    else:
        steps = [name for name in study.one_of_each_script() if not name.startswith(GOES_ON)]
    assert steps
    with counted("kill-change") as count:
        for step in steps:
            disturbed = Disturbed(study, undisturbed, step, server, count)
            _kill_in_a_row(disturbed)
            if begins in GOES_ON:
                study.undo(step)
                _kill_in_a_row(disturbed, undone=True)
            assert disturbed.run()
            count.equal += 1
            assert study.partial() == []


def _kill_in_a_row(disturbed: Disturbed, *, undone: bool = False) -> None:
    """Kill a step before one change after the other; each run finds what the last one left."""
    event = 1
    while not disturbed.run(signal=signal.SIGKILL, event=event, watched=str(disturbed.study.results)):
        if undone:
            disturbed.study.undo(disturbed.step)
        event += SIZE.change_stride

"""No memory left, on this machine and on the device."""

import signal

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.faults.faults import counted
from tests.faults.server import Server
from tests.faults.study import Study, remake
from tests.support.size import SIZE

pytestmark = pytest.mark.faults

COLLECTORS = (
    "collect_traces heuristic-3-assisted",
    "collect_traces constant-4-batched",
    "collect_paths",
    "collect_tails",
)
MIB = 1 << 20
#: Endings of native code that gets no memory: by a signal, or by the loader of the C library.
NATIVE = (-signal.SIGABRT, -signal.SIGSEGV, 127)


#: In bytes. Below 8 MiB no thread has a stack; then small steps, of which more end a step the less memory the
#: forked process has at hand.
LIMITS = [MIB, 2 * MIB, 4 * MIB, 6 * MIB, *range(8 * MIB, 64 * MIB, SIZE.memory_growth)]


def is_close(study: Study, undisturbed: Study, name: str) -> bool:
    """Say whether a file fits up to the last digits of what models say, or only describes one that does."""
    if not name.startswith(("paths/", "tails/")):
        return False
    if not name.endswith(".parquet"):
        return True
    found, wanted = (pq.read_table(each.results / name).to_pandas() for each in (study, undisturbed))
    reals = list(wanted.select_dtypes("floating"))
    exact = [column for column in wanted if column not in reals]
    near = np.allclose(found[reals], wanted[reals], rtol=0, atol=1e-5, equal_nan=True)
    return near and found[exact].equals(wanted[exact])


@pytest.mark.parametrize("step", COLLECTORS)
def test_a_collector_without_memory_ends_in_one_sentence_and_goes_on_when_it_has_some(
    step: str, study: Study, undisturbed: Study, server: Server
) -> None:
    wanted = undisturbed.digests()
    with counted("memory") as count:
        study.undo(step)
        for memory in LIMITS:
            before, whole = study.stamps(), study.finished(step)
            ending = server.run(study.order(step, memory=memory))
            after = study.stamps()
            lost = [name for name in whole if before[name] != after.get(name)]
            count.kept += len(whole) - len(lost)
            assert lost == []
            other = [name for name, digest in study.digests().items() if wanted.get(name) != digest]
            torn = [name for name in other if not name.endswith(".part")]
            # torch's library of linear algebra adds up in another order where it gets no room to work in.
            assert [name for name in torn if not is_close(study, undisturbed, name)] == []
            if ending.code == 0:
                break
            count.injected += 1
            # Native code that cannot do without memory ends the process, as the kernel would.
            if ending.code not in NATIVE:
                assert ending.sentence
                count.sentences += 1
        assert ending.code == 0
        assert study.partial() == []
        count.equal += not torn
    assert count.injected > 3


@pytest.mark.parametrize("step", COLLECTORS[1:])
def test_a_device_without_room_at_times_halves_the_batch_and_gives_the_same_bytes(
    step: str, study: Study, undisturbed: Study, server: Server
) -> None:
    with counted("device-memory") as count:
        for forward in SIZE.forwards:
            study.undo(step)
            ending = server.run(study.order(step, no_room=(forward, forward + 2)))
            assert ending.code == 0, ending.output
            assert "out of memory at a batch of 256; going on with 128" in ending.output
            count.injected += 1
            assert study.digests() == undisturbed.digests()
            count.equal += 1


@pytest.mark.parametrize("step", COLLECTORS)
def test_a_device_without_any_room_ends_in_one_sentence_and_loses_nothing(
    step: str, study: Study, undisturbed: Study, server: Server
) -> None:
    with counted("device-memory") as count:
        study.undo(step)
        assert "memory" in server.run(study.order(step, no_room=(0,))).sentence
        count.injected, count.sentences = 1, 1
        remake(study, server, step)
        assert study.digests() == undisturbed.digests()
        count.equal = 1

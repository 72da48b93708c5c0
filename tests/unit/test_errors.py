"""How a script ends where memory runs out, whoever says so."""

import errno

import pytest

from specgap.errors import one_sentence


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("_xxhash.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
    ],
)
def test_memory_that_runs_out_is_one_sentence(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending, one_sentence():
        raise error
    said = capsys.readouterr().err
    assert ending.value.code == 2
    assert said.startswith("specgap: memory ran out")
    assert said.count("\n") == 1


def test_a_module_that_is_missing_is_no_lack_of_memory() -> None:
    with pytest.raises(ModuleNotFoundError), one_sentence():
        raise ModuleNotFoundError("No module named 'nobody'")

"""The errors a user can cause, and how a script ends when one happens.

Every message is one sentence naming the file, the key, the value found and the value wanted.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

#: Exit code of every script that refuses its input.
BAD_INPUT = 2
#: Reasons why a disk takes no file, which a user can mend.
NOT_WRITABLE = {
    getattr(errno, f"E{name}")
    for name in ("ACCES", "DQUOT", "FBIG", "IO", "ISDIR", "NAMETOOLONG", "NOSPC", "NOTDIR", "PERM", "ROFS")
}
_NO_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "can't start new thread",
    "failed to launch worker thread",
    "failed to map segment",  # a library that is loaded when it is first needed
)


class SpecgapError(Exception):
    """Root of all errors that a user, not a programmer, has to mend."""


class ConfigError(SpecgapError):
    """A configuration that cannot be meant."""


class PromptError(ConfigError):
    """A prompt file, or a group made from it, that cannot be used."""


class ModelError(SpecgapError):
    """A model that is missing, unsafe to load, or does not fit its partner."""


class TraceError(SpecgapError):
    """A shard or trace that is damaged, foreign or stale."""


class TableError(SpecgapError):
    """A table that lacks what is asked of it."""


class FileError(SpecgapError):
    """A disk that is full, read-only, or somebody else's."""


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a `SpecgapError` into one line on stderr and exit code 2; so too a full disk and no memory.

    >>> with one_sentence():
    ...     pass
    """
    try:
        yield
    except SpecgapError as error:
        _end(str(error), error)
    except OSError as error:
        if is_out_of_memory(error):
            _end(_no_memory(error), error)
        if error.filename is None or error.errno is None:
            raise
        if error.errno in NOT_WRITABLE:
            _end(not_writable(error.filename, error), error)
        _end(f"{error.filename}: {error.strerror}; wanted a file that can be read and written", error)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        _end(_no_memory(error), error)


def not_writable(path: object, error: OSError) -> str:
    """Return the sentence for a file that a disk does not take."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"{path} cannot be written ({reason}); wanted a disk with room and the right to write there"


def _no_memory(error: BaseException) -> str:
    said = f" ({str(error).splitlines()[0][:200]})" if str(error) else ""
    return f"memory ran out{said}; wanted more of it, or a smaller batch"


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that a device, or this machine, has no memory left.

    Those of torch and Arrow are known by name, since not every script imports them; for the CPU torch has
    none.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    said = str(error).lower()
    may_be = isinstance(error, RuntimeError | ImportError) or type(error).__name__ == "ArrowException"
    return may_be and any(words in said for words in _NO_MEMORY)


def _end(sentence: str, error: BaseException) -> NoReturn:
    print(f"specgap: {' '.join(sentence.split())}", file=sys.stderr)
    raise SystemExit(BAD_INPUT) from error

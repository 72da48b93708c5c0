"""The errors a user can cause, and how a script ends when one happens.

Every message is one sentence naming the file, the key, the value found and the value wanted.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Exit code of every script that refuses its input.
BAD_INPUT = 2


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


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a `SpecgapError` into one line on stderr and exit code 2.

    >>> with one_sentence():
    ...     pass
    """
    try:
        yield
    except SpecgapError as error:
        print(f"specgap: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from error

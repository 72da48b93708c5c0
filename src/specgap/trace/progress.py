"""Progress of a long trace: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm

#: Takes one line, for whoever waits.
Log = Callable[[str], None]

#: Seconds between two lines in a log.
PAUSE = 10.0


def say(line: str) -> None:
    """Write a line to standard error, at once: a job's log is read while it runs."""
    print(line, file=sys.stderr, flush=True)


class Progress:
    """Counts prompts and emitted tokens; use it as a context.

    >>> with Progress(total=2, what="s000-j0000", log=print) as progress:
    ...     progress.add(n_tokens=48)
    """

    def __init__(self, *, total: int, what: str, log: Log) -> None:
        self._total, self._what, self._log = total, what, log
        self._prompts = self._tokens = 0
        self._began = self._told = time.monotonic()
        self._bar = tqdm(total=total, desc=what, unit="prompt") if sys.stderr.isatty() else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, *, n_tokens: int, n_prompts: int = 1) -> None:
        """Count `n_tokens` more, and the prompts that are done with."""
        self._prompts += n_prompts
        self._tokens += n_tokens
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(n_prompts)
            self._bar.set_postfix_str(f"{self._rate(now):.0f} tokens/s", refresh=False)
        elif now - self._told >= PAUSE:
            self._told = now
            left = (now - self._began) / max(self._prompts, 1) * max(0, self._total - self._prompts)
            self._log(
                f"{self._what}: {self._prompts} of {self._total} prompts, {self._rate(now):.0f} tokens/s"
                + (f", {left:.0f} s left" if self._prompts else "")
            )

    def told(self, n_prompts: int, n_tokens: int) -> None:
        """Count prompts that are done with, and tokens."""
        self.add(n_tokens=n_tokens, n_prompts=n_prompts)

    def _rate(self, now: float) -> float:
        return self._tokens / max(now - self._began, 1e-9)

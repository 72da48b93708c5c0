"""Progress in a log: plain lines, and not many of them."""

import re

import pytest

from specgap.trace import progress
from specgap.trace.progress import Progress


class Clock:
    """Time that goes on by `step` seconds whenever someone looks."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def lines(monkeypatch: pytest.MonkeyPatch, *, step: float, prompts: int) -> list[str]:
    monkeypatch.setattr(progress.time, "monotonic", Clock(step))
    said: list[str] = []
    with Progress(total=prompts, what="s000-j0000", log=said.append) as bar:
        for _ in range(prompts):
            bar.add(n_tokens=40)
    return said


def test_a_line_tells_prompts_tokens_per_second_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    first = lines(monkeypatch, step=10.0, prompts=4)[0]
    assert first == "s000-j0000: 1 of 4 prompts, 4 tokens/s, 30 s left"


def test_lines_come_at_most_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    said = lines(monkeypatch, step=0.5, prompts=100)
    assert [int(re.findall(r"(\d+) of", line)[0]) for line in said] == [20, 40, 60, 80, 100]


def test_a_short_trace_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(monkeypatch, step=0.1, prompts=5) == []


def test_prompts_that_run_together_are_told_when_they_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.time, "monotonic", Clock(10.0))
    said: list[str] = []
    with Progress(total=6, what="s000-j0000", log=said.append) as bar:
        bar.told(0, 4)
        bar.told(3, 4)
    assert said == [
        "s000-j0000: 0 of 6 prompts, 0 tokens/s",
        "s000-j0000: 3 of 6 prompts, 0 tokens/s, 20 s left",
    ]

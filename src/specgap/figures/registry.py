"""The functions that draw: `@figure("kind")` registers one, `function_of` finds it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from specgap.figures.columns import KINDS
from specgap.figures.facts import CellFacts
from specgap.figures.spec import Spec


@dataclass(frozen=True)
class Request:
    """What a drawing function gets beside its tables: the entry, the cell's facts and the group."""

    spec: Spec
    facts: CellFacts
    group: str | None = None


#: Tables by name (as in the spec), tidy.
Tables = dict[str, pd.DataFrame]
Draw = Callable[[Tables, Request], Figure]

_FUNCTIONS: dict[str, Draw] = {}


def figure(kind: str) -> Callable[[Draw], Draw]:
    """Register a drawing function under the name that `config/figures.yaml` uses."""

    def register(function: Draw) -> Draw:
        if KINDS.get(kind) != function.__module__.rpartition(".")[2]:
            raise LookupError(f"kind {kind!r} is not listed in specgap.figures.columns.KINDS with its module")
        _FUNCTIONS[kind] = function
        return function

    return register


def function_of(kind: str) -> Draw:
    """Return the function registered for a kind, importing its module on first use."""
    if kind not in _FUNCTIONS:
        importlib.import_module(f"specgap.figures.{KINDS[kind]}")
    return _FUNCTIONS[kind]

"""Every table of `rust_agg` counted again, row by row in plain Python, from the contract and nothing else."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from math import inf, isnan
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

import rust_agg

VERDICTS = ("rejected", "accepted", "discarded")
TRACES = pa.schema(
    [
        ("prompt", pa.uint64()),
        ("sample", pa.uint16()),
        ("round", pa.uint16()),
        ("position", pa.uint16()),
        ("offset", pa.uint16()),
        ("token", pa.uint32()),
        ("p", pa.float32()),
        ("q", pa.float32()),
        ("overlap", pa.float32()),
        ("entropy", pa.float32()),
        ("verdict", pa.uint8()),
    ]
)
ROUNDS = pa.schema(
    [
        ("prompt", pa.uint64()),
        ("sample", pa.uint16()),
        ("round", pa.uint16()),
        ("requested", pa.uint16()),
        ("drafted", pa.uint16()),
        ("accepted", pa.uint16()),
        ("emitted", pa.uint16()),
        ("next_token", pa.uint32()),
        ("next_p", pa.float32()),
        ("censored", pa.uint8()),
    ]
)
LOG_EDGES = [k / 4 for k in range(-32, 33)]
TABLES = (
    "histograms",
    "joint_histogram",
    "positions",
    "unit_histograms",
    "prompts",
    "prompt_positions",
    "tokens",
    "calibration",
)

Row = dict[str, Any]


def exp_edges() -> list[float]:
    """e to the power of each edge of log(p / q), correctly rounded."""
    with localcontext() as context:
        context.prec = 50
        return [float((Decimal(k) / 4).exp()) for k in range(-32, 33)]


EXP_EDGES = exp_edges()


@dataclass(frozen=True)
class Plan:
    """What a fold is told: bins, groups and the ratio, as plain lists."""

    probability: Sequence[float]
    difference: Sequence[float]
    joint: Sequence[float]
    group_names: Sequence[str]
    unit_names: Sequence[str]
    members: Sequence[tuple[int, int, int]]
    ratio: float = 2.0

    def grids(self) -> rust_agg.Grids:
        """The bins for `rust_agg`."""
        return rust_agg.Grids(self.probability, self.difference, self.joint)

    def groups(self) -> rust_agg.Groups:
        """The groups for `rust_agg`."""
        return rust_agg.Groups(groups_table(self.members), self.group_names, self.unit_names)

    def fold(self, traces: Any, rounds: Any = None, **options: Any) -> rust_agg.State:
        """Fold with this plan."""
        grids, groups = self.grids(), self.groups()
        return rust_agg.fold(traces, rounds, groups, grids=grids, over_confident_ratio=self.ratio, **options)


def groups_table(members: Iterable[tuple[int, int, int]]) -> pa.Table:
    """A table of groups from (prompt, group, unit)."""
    columns = [("prompt", pa.uint64()), ("group", pa.uint32()), ("unit", pa.uint32())]
    names = [name for name, _ in columns]
    rows = [dict(zip(names, member, strict=True)) for member in members]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def traces_table(rows: Iterable[Row]) -> pa.Table:
    """A table of traces; what a row leaves out is harmless."""
    harmless: Row = {"sample": 0, "round": 0, "position": 1, "offset": 0, "token": 0, "p": 0.5, "q": 0.5}
    harmless |= {"overlap": float("nan"), "entropy": float("nan"), "verdict": 1}
    return pa.Table.from_pylist([harmless | row for row in rows], schema=TRACES)


def rounds_table(rows: Iterable[Row]) -> pa.Table:
    """A table of rounds; what a row leaves out is harmless."""
    harmless: Row = {"sample": 0, "round": 0, "requested": 5, "drafted": 5, "accepted": 5, "emitted": 6}
    harmless |= {"next_token": None, "next_p": None, "censored": 0}
    return pa.Table.from_pylist([harmless | row for row in rows], schema=ROUNDS)


def bin_of(edges: Sequence[float], value: float) -> int:
    """(Number of edges ≤ value) − 1, and the last edge in the last bin."""
    return min(sum(1 for edge in edges if edge <= value) - 1, len(edges) - 2)


def log_bin_of(p: float, q: float) -> int:
    """Number of fixed edges with p ≥ q·e^edge; 0 for p = 0."""
    return sum(1 for factor in EXP_EDGES if p >= q * factor) if p > 0 else 0


def fixed(value: float) -> int:
    """round(value · 2⁴⁰), half to even, exactly."""
    return round(Fraction(value) * 2**40)


def equal_edges(low: int, high: int, n: int) -> list[float]:
    """Equal bins, each edge rounded once."""
    return [float(low + Fraction(high - low) * k / n) for k in range(n + 1)]


RATIO_EDGES = equal_edges(0, 1, 20)
UNIT_EDGES = {"p": equal_edges(0, 1, 64), "q": equal_edges(0, 1, 64), "difference": equal_edges(-1, 1, 64)}


@dataclass
class Recount:
    """Counters filled row by row."""

    plan: Plan
    bins: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    joint: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    positions: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    units: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    samples: dict[tuple[int, int], Counter[Any]] = field(default_factory=lambda: defaultdict(Counter))
    prompt_positions: dict[tuple[int, int], Counter[Any]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    tokens: dict[tuple[int, int], dict[int, Counter[int]]] = field(default_factory=dict)
    calibration: Counter[tuple[int, str]] = field(default_factory=Counter)
    n_rows: int = 0
    n_rows_unmapped: int = 0
    n_rounds: int = 0
    n_rounds_unmapped: int = 0

    def row(self, row: Row) -> None:
        """Count a drafted token."""
        members = [(group, unit) for prompt, group, unit in self.plan.members if prompt == row["prompt"]]
        if not members:
            self.n_rows_unmapped += 1
            return
        self.n_rows += 1
        p, q, verdict = row["p"], row["q"], row["verdict"]
        joint = (bin_of(self.plan.joint, p), bin_of(self.plan.joint, q))
        values = {"p": p, "q": q, "difference": p - q}
        edges = {"p": self.plan.probability, "q": self.plan.probability, "difference": self.plan.difference}
        for group, unit in members:
            for quantity, value in values.items():
                self.bins[group, verdict, quantity, bin_of(edges[quantity], value)] += 1
                self.units[unit, group, verdict, quantity, bin_of(UNIT_EDGES[quantity], value)] += 1
            self.bins[group, verdict, "log_ratio", log_bin_of(p, q)] += 1
            self.joint[group, verdict, *joint] += 1
            self.positions[group, verdict, row["position"]] += 1
        self.samples[row["prompt"], row["sample"]]["drafted", verdict] += 1
        if verdict != 2:
            self.judged(row, members)

    def judged(self, row: Row, members: list[tuple[int, int]]) -> None:
        """Count what only judged tokens count for."""
        p, q, accepted = row["p"], row["q"], row["verdict"] == 1
        sample = self.samples[row["prompt"], row["sample"]]
        place = self.prompt_positions[row["prompt"], row["position"]]
        place["n_judged"] += 1
        place["n_accepted"] += accepted
        ratio = 1.0 if q == 0 else p / q
        bin = 20 if ratio >= 1 else bin_of(RATIO_EDGES, ratio)
        self.calibration[bin, "n_judged"] += 1
        self.calibration[bin, "n_accepted"] += accepted
        self.calibration[bin, "sum"] += fixed(min(1.0, ratio))
        sample["severity"] += fixed(max(0.0, 1.0 - ratio))
        if not isnan(row["overlap"]):
            sample["n_overlap"] += 1
            sample["overlap"] += fixed(min(1.0, max(0.0, row["overlap"])))
        if not isnan(row["entropy"]):
            sample["n_entropy"] += 1
            sample["entropy"] += fixed(row["entropy"])
        if q > p:
            sample["surer", row["verdict"]] += 1
            sample["over_confident", row["verdict"]] += q >= self.plan.ratio * p
            for _, unit in members:
                prompts = self.tokens.setdefault((row["token"], unit), {})
                prompts.setdefault(row["prompt"], Counter())[row["verdict"]] += 1

    def round(self, row: Row) -> None:
        """Count a round."""
        if row["prompt"] not in {prompt for prompt, _, _ in self.plan.members}:
            self.n_rounds_unmapped += 1
            return
        self.n_rounds += 1
        sample = self.samples[row["prompt"], row["sample"]]
        sample["n_rounds"] += 1
        sample["n_emitted"] += row["emitted"]
        sample["n_requested"] += row["requested"]
        sample["censored", row["censored"]] += 1

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of every table, in order."""
        return {name: getattr(self, f"_{name}")() for name in TABLES}

    def _histograms(self) -> list[tuple[Any, ...]]:
        ends = {"p": self.plan.probability, "q": self.plan.probability, "difference": self.plan.difference}
        ends |= {"log_ratio": [-inf, *LOG_EDGES, inf]}
        return [
            (
                name,
                VERDICTS[verdict],
                quantity,
                bin,
                edges[bin],
                edges[bin + 1],
                self.bins[g, verdict, quantity, bin],
            )
            for g, name in enumerate(self.plan.group_names)
            for verdict in range(3)
            for quantity, edges in ends.items()
            for bin in range(len(edges) - 1)
        ]

    def _joint_histogram(self) -> list[tuple[Any, ...]]:
        edges, names = self.plan.joint, self.plan.group_names
        return [
            (names[g], VERDICTS[v], a, b, edges[a], edges[a + 1], edges[b], edges[b + 1], count)
            for (g, v, a, b), count in sorted(self.joint.items())
        ]

    def _positions(self) -> list[tuple[Any, ...]]:
        names = self.plan.group_names
        return [(names[g], VERDICTS[v], at, count) for (g, v, at), count in sorted(self.positions.items())]

    def _unit_histograms(self) -> list[tuple[Any, ...]]:
        order = {"p": 0, "q": 1, "difference": 2}
        rows = sorted(
            (u, g, v, order[quantity], quantity, bin, n) for (u, g, v, quantity, bin), n in self.units.items()
        )
        units, groups = self.plan.unit_names, self.plan.group_names
        return [
            (units[u], groups[g], VERDICTS[v], name, bin, UNIT_EDGES[name][bin], UNIT_EDGES[name][bin + 1], n)
            for u, g, v, _, name, bin, n in rows
        ]

    def _prompts(self) -> list[tuple[Any, ...]]:
        rows = []
        for (prompt, sample), c in sorted(self.samples.items()):
            rejected, accepted, discarded = (c["drafted", verdict] for verdict in range(3))
            judged = rejected + accepted
            row: tuple[Any, ...] = (prompt, sample, judged + discarded, judged, accepted, rejected, discarded)
            row += (c["n_rounds"], c["n_emitted"], c["n_requested"])
            row += tuple(c["censored", reason] for reason in (1, 2, 3))
            row += (c["surer", 1], c["surer", 0], c["over_confident", 1], c["over_confident", 0])
            row += (c["n_overlap"], c["overlap"] / 2**40, judged, c["severity"] / 2**40)
            rows.append((*row, c["n_entropy"], c["entropy"] / 2**40))
        return rows

    def _prompt_positions(self) -> list[tuple[Any, ...]]:
        places = sorted(self.prompt_positions.items())
        return [(*place, counts["n_judged"], counts["n_accepted"]) for place, counts in places]

    def _tokens(self) -> list[tuple[Any, ...]]:
        rows = []
        for (token, unit), prompts in sorted(self.tokens.items()):
            group = next(group for _, group, other in self.plan.members if other == unit)
            names = (self.plan.unit_names[unit], self.plan.group_names[group])
            counts = [sum(prompt[verdict] for prompt in prompts.values()) for verdict in (1, 0)]
            distinct = [sum(prompt[verdict] > 0 for prompt in prompts.values()) for verdict in (1, 0)]
            rows.append((token, *names, *counts, len(prompts), *distinct))
        return rows

    def _calibration(self) -> list[tuple[Any, ...]]:
        c, ends = self.calibration, [*RATIO_EDGES, 1.0]
        return [
            (bin, ends[bin], ends[bin + 1], c[bin, "n_judged"], c[bin, "n_accepted"], c[bin, "sum"] / 2**40)
            for bin in range(21)
        ]


def recount(plan: Plan, traces: pa.Table, rounds: pa.Table | None = None) -> Recount:
    """Count a table row by row."""
    counted = Recount(plan)
    for row in traces.to_pylist():
        counted.row(row)
    for row in rounds.to_pylist() if rounds is not None else []:
        counted.round(row)
    return counted


def rows_of(table: Any) -> list[tuple[Any, ...]]:
    """The rows of anything that is an Arrow stream."""
    columns = pa.table(table).to_pydict().values()
    return list(zip(*columns, strict=True))


def random_traces(n: int, seed: int, *, prompts: int = 20) -> pd.DataFrame:
    """Random traces in which the rows of a prompt stand together."""
    rng = np.random.default_rng(seed)
    values = {
        "prompt": np.sort(rng.integers(0, prompts, n)),
        "sample": rng.integers(0, 3, n),
        "round": 0,
        "position": rng.integers(1, 9, n),
        "offset": 0,
        "token": rng.integers(0, 30, n),
        "p": rng.random(n) ** 3,
        "q": rng.random(n) ** 3,
        "overlap": rng.random(n) * 1.1,
        "entropy": rng.exponential(2, n),
        "verdict": rng.integers(0, 3, n),
    }
    return pd.DataFrame(values)


def as_traces(frame: pd.DataFrame) -> pa.Table:
    """A frame with the types of traces."""
    return pa.Table.from_pandas(frame, preserve_index=False).select(TRACES.names).cast(TRACES, safe=False)

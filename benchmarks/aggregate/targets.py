"""What the results must show, as ratios within one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

OURS = ("rust_agg", "rust_agg_full")
PEERS = ("numpy", "numba", "polars", "duckdb", "pyarrow", "pandas")
FLOORS = ("decode_floor", "decode_floor_full")
#: The fastest of `PEERS`, with as many threads as suit it.
BEST = "best peer"


@dataclass(frozen=True)
class Cell:
    """A number among the results. `many`: with the greater of the two numbers of rows."""

    name: str
    source: str = "parquet"
    threads: int = 2
    many: bool = False
    column: str = "seconds_median"


@dataclass(frozen=True)
class Target:
    """A ratio, or a number where there is no `bottom`, and its bounds where it has any."""

    what: str
    top: Cell
    bottom: Cell | None
    at_least: float | None = None
    at_most: float | None = None


_OURS, _FULL, _FLOOR = Cell("rust_agg"), Cell("rust_agg_full"), Cell("decode_floor")
_PEAK, _PEAK_MANY = (
    Cell("rust_agg", column="peak_rss_mib"),
    Cell("rust_agg", column="peak_rss_mib", many=True),
)

TARGETS = (
    Target("best peer / rust_agg, from Parquet", Cell(BEST), _OURS, at_least=2.5),
    Target("polars / rust_agg, from Parquet", Cell("polars"), _OURS, at_least=4),
    Target("duckdb / rust_agg, from Parquet", Cell("duckdb"), _OURS, at_least=7),
    Target("pandas / rust_agg, from Parquet", Cell("pandas"), _OURS, at_least=15),
    Target("best peer / rust_agg, from memory", Cell(BEST, "memory"), Cell("rust_agg", "memory"), at_least=5),
    Target("rust_agg / decode_floor", _OURS, _FLOOR, at_most=1.5),
    Target("rust_agg_full / decode_floor_full", _FULL, Cell("decode_floor_full"), at_most=2.5),
    Target("rust_agg_full / decode_floor", _FULL, _FLOOR),
    Target("rust_agg: 1 thread / 2 threads", Cell("rust_agg", threads=1), _OURS, at_least=1.8),
    Target("rust_agg_full: 1 thread / 2 threads", Cell("rust_agg_full", threads=1), _FULL, at_least=1.8),
    Target("rust_agg: peak MiB", _PEAK, None, at_most=300),
    Target("rust_agg: peak MiB at many rows", _PEAK_MANY, None, at_most=300),
    Target("rust_agg: peak at many rows / at fewer", _PEAK_MANY, _PEAK, at_least=0.9, at_most=1.1),
    Target("rust_agg: time per row at many rows / at fewer", Cell("rust_agg", many=True), _OURS, 0.9, 1.1),
)


def targets(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the value of every target whose cases were measured, and whether it is met."""
    found = []
    for target in TARGETS:
        top = _value(results, target.top)
        bottom = _value(results, target.bottom) if target.bottom else 1.0
        if top is None or bottom is None:
            continue
        value = round(top / bottom, 3)
        low, high = target.at_least, target.at_most
        met = (low is None or value >= low) and (high is None or value <= high)
        found.append({"target": target.what, "value": value, "at_least": low, "at_most": high, "met": met})
    return found


def sentence(target: dict[str, Any]) -> str:
    """Say in a line what became of a target."""
    bounds = [
        f"{word} {target[key]:g}"
        for word, key in (("at least", "at_least"), ("at most", "at_most"))
        if target[key] is not None
    ]
    wanted = f" (wanted {' and '.join(bounds)})" if bounds else ""
    return f"{'' if target['met'] else 'NOT MET: '}{target['target']}: {target['value']:.2f}{wanted}"


def _value(results: Sequence[dict[str, Any]], cell: Cell) -> float | None:
    sizes = sorted({result["rows"] for result in results})
    if cell.many and len(sizes) == 1:
        return None
    rows = sizes[-1 if cell.many else 0]
    values = [
        # Times of many rows are compared by the row.
        float(result[cell.column]) / (rows if cell.column == "seconds_median" else 1)
        for result in results
        if (result["source"], result["rows"]) == (cell.source, rows)
        and (
            result["name"] in PEERS
            if cell.name == BEST
            else (result["name"], result["threads"]) == (cell.name, cell.threads)
        )
    ]
    return min(values, default=None)

"""Draws the results: seconds per name, from Parquet and from memory, with two threads."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.aggregate.targets import FLOORS, OURS

#: Okabe–Ito blue and orange, and a grey, apart in lightness too.
COLOURS = {"ours": "#0072B2", "peers": "#E69F00", "floor": "#B8B8B8"}
TITLES = {"parquet": "from Parquet", "memory": "from memory"}
THREADS = 2


def draw(report: dict[str, Any], path: Path) -> None:
    """Save bars of the median time; exact numbers stand beside them."""
    rows = min(result["rows"] for result in report["results"])
    measured = [r for r in report["results"] if (r["threads"], r["rows"]) == (THREADS, rows)]
    by_source = {source: [r for r in measured if r["source"] == source] for source in TITLES}
    by_source = {source: results for source, results in by_source.items() if results}
    with mpl.rc_context({"font.size": 10, "font.family": "DejaVu Sans"}):
        n_bars = [len(results) for results in by_source.values()]
        figure = Figure(figsize=(8, 1.5 + 0.29 * sum(n_bars)), layout="constrained")
        axes = figure.subplots(len(n_bars), sharex=True, squeeze=False, height_ratios=n_bars)[:, 0]
        for axis, (source, results) in zip(axes, by_source.items(), strict=True):
            _bars(axis, sorted(results, key=lambda result: -float(result["seconds_median"])))
            axis.set_title(TITLES[source], loc="left", fontsize=10, fontweight="bold")
        axes[-1].set_xlabel(f"seconds for {rows:,} rows (log scale; median, and peak memory of the process)")
        figure.supxlabel(_caption(report), fontsize=7.5, color="#6b6b6b")
        figure.savefig(path, dpi=150, metadata={"Software": None})


def _bars(axis: Axes, results: list[dict[str, Any]]) -> None:
    names = [result["name"] for result in results]
    seconds = [result["seconds_median"] for result in results]
    axis.barh(names, seconds, color=[COLOURS[_kind(name)] for name in names], height=0.72)
    for place, result in enumerate(results):
        text = f" {result['seconds_median']:.2f} s, {result['peak_rss_mib']:.0f} MiB"
        axis.text(result["seconds_median"], place, text, va="center", fontsize=8.5)
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, min(seconds) / 2), max(high, max(seconds) * 3))
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="y", length=0)


def _kind(name: str) -> str:
    return "ours" if name in OURS else "floor" if name in FLOORS else "peers"


def _caption(report: dict[str, Any]) -> str:
    machine, versions = report["machine"], report["versions"]
    names = ("numpy", "numba", "polars", "duckdb", "pyarrow", "pandas")
    return (
        f"{machine['cpu']}, {THREADS} of {machine['cores']} cores, {machine['memory_gib']:.0f} GiB; "
        f"median of {report['work']['rounds']} runs\n"
        f"Python {versions['python']}, " + ", ".join(f"{name} {versions[name]}" for name in names)
    )

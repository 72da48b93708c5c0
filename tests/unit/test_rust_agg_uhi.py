"""Histograms of `rust_agg` are taken as they are by the libraries that speak UHI."""

import json
import subprocess
import sys
from typing import Any

import boost_histogram as bh
import hist
import numpy as np
import pyarrow as pa
import pytest
import uhi.io.json
import uhi.schema
from uhi.numpy_plottable import ensure_plottable_histogram
from uhi.typing.plottable import PlottableAxisGeneric, PlottableHistogram, PlottableTraits

import rust_agg
from tests.property.rust_agg_recount import VERDICTS, Plan, as_traces, random_traces, traces_table

PLAN = Plan(
    probability=np.linspace(0, 1, 11).tolist(),
    difference=np.linspace(-1, 1, 21).tolist(),
    joint=[0, 0.1, 0.35, 0.9, 1],
    group_names=["even", "odd"],
    unit_names=["x", "y"],
    members=[(prompt, prompt % 2, prompt % 2) for prompt in range(20)],
)
QUANTITIES = ("p", "q", "difference", "log_ratio", "joint")
ONE_DIMENSION = QUANTITIES[:4]


@pytest.fixture(scope="module")
def traces() -> pa.Table:
    """Random rows, and rows on the edges: 0, 1, and p = q."""
    pairs = [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.5), (0.5, 0.5), (0.1, 0.3), (0.3, 0.1)]
    edges = traces_table({"prompt": 1, "p": p, "q": q} for p, q in pairs)
    return pa.concat_tables([as_traces(random_traces(5000, seed=8)), edges])


@pytest.fixture(scope="module")
def state(traces: pa.Table) -> rust_agg.State:
    return PLAN.fold(traces)


def same(taken: Any, given: rust_agg.Histogram) -> bool:
    arrays = [(taken.values(flow=flow), given.values(flow=flow)) for flow in (False, True)]
    arrays += [(taken.variances(), given.variances()), (taken.counts(), given.counts())]
    arrays += [(left.edges, right.edges) for left, right in zip(taken.axes, given.axes, strict=True)]
    return all(np.array_equal(left, right) for left, right in arrays)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("library", [hist.Hist, bh.Histogram])
def test_hist_and_boost_histogram_take_it_as_it_is(
    state: rust_agg.State, quantity: str, library: type
) -> None:
    given = state.histogram(quantity)
    taken = library(given)
    assert same(taken, given)
    assert taken.sum(flow=True) == state.n_rows
    assert same(library(taken), given)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_hist_counts_the_same_rows_to_the_same_histogram(
    state: rust_agg.State, traces: pa.Table, quantity: str
) -> None:
    frame = traces.to_pandas()
    p, q = frame["p"].to_numpy(np.float64), frame["q"].to_numpy(np.float64)
    with np.errstate(divide="ignore"):
        values = {"p": p, "q": q, "difference": p - q, "log_ratio": np.log(p) - np.log(q)}
    axes = ("p", "q") if quantity == "joint" else (quantity,)
    taken = hist.Hist(state.histogram(quantity))
    filled = taken.copy().reset()
    filled.fill(
        group=np.array(PLAN.group_names)[frame["prompt"] % 2],
        verdict=np.array(VERDICTS)[frame["verdict"]],
        **{axis: values[axis] for axis in axes},
    )
    assert filled == taken


@pytest.mark.parametrize("quantity", ONE_DIMENSION)
def test_it_says_what_the_table_says(state: rust_agg.State, quantity: str) -> None:
    table = pa.table(state.histograms()).to_pandas().query("quantity == @quantity")
    given = state.histogram(quantity)
    assert given.values(flow=True).ravel().tolist() == table["count"].tolist()
    bins = table[np.isfinite(table["low"]) & np.isfinite(table["high"])].head(len(given.axes[2]))
    assert list(given.axes[2]) == list(zip(bins["low"], bins["high"], strict=True))


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_it_keeps_the_protocol(state: rust_agg.State, quantity: str) -> None:
    given = state.histogram(quantity)
    assert isinstance(given, PlottableHistogram)
    assert ensure_plottable_histogram(given) is given
    assert given.kind == "COUNT"
    for axis, n in zip(given.axes, given.values().shape, strict=True):
        assert isinstance(axis, PlottableAxisGeneric)
        assert isinstance(axis.traits, PlottableTraits)
        assert len(axis) == len(list(axis)) == n
        assert axis[-1] == list(axis)[-1]
        with pytest.raises(IndexError, match=f"bin {n} of an axis of {n}"):
            axis[n]


def test_groups_and_verdicts_are_categories_and_the_rest_is_not(state: rust_agg.State) -> None:
    group, verdict, p, q = state.histogram("joint").axes
    assert (list(group), list(verdict)) == (["even", "odd"], list(VERDICTS))
    assert p[1] == q[1] == (0.1, 0.35)
    assert [axis.traits.discrete for axis in (group, verdict, p, q)] == [True, True, False, False]
    assert [axis.name for axis in (group, verdict, p, q)] == ["group", "verdict", "p", "q"]
    assert [axis.label for axis in state.histogram("difference").axes] == ["group", "verdict", "p − q"]


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_one_group_or_verdict_is_a_slice_without_the_axis(state: rust_agg.State, quantity: str) -> None:
    values, names = state.histogram(quantity).values(), [axis.name for axis in state.histogram(quantity).axes]
    odd = state.histogram(quantity, group="odd")
    accepted = state.histogram(quantity, verdict="accepted")
    both = state.histogram(quantity, group="odd", verdict="accepted")
    assert np.array_equal(odd.values(), values[1])
    assert np.array_equal(accepted.values(), values[:, 1])
    assert np.array_equal(both.values(), values[1, 1])
    assert [axis.name for axis in accepted.axes] == [names[0], *names[2:]]
    assert [axis.name for axis in both.axes] == names[2:]
    assert same(hist.Hist(both), both)


def test_no_counts_lie_outside_but_those_of_log_ratio(state: rust_agg.State) -> None:
    for quantity in ("p", "q", "difference", "joint"):
        given = state.histogram(quantity)
        assert np.array_equal(given.values(), given.values(flow=True))
    given = state.histogram("log_ratio", group="odd", verdict="accepted")
    under, over = given.values(flow=True)[[0, -1]]
    assert under >= 2  # p = 0, twice
    assert over >= 1  # q = 0
    assert given.values().sum() + under + over == given.values(flow=True).sum()


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_it_can_be_written_by_what_writes_uhi(state: rust_agg.State, quantity: str) -> None:
    given = state.histogram(quantity)
    text = json.dumps(given, default=uhi.io.json.default)
    uhi.schema.validate_histogram(json.loads(text))
    assert same(hist.Hist(json.loads(text, object_hook=uhi.io.json.object_hook)), given)


def test_names_that_are_none_are_refused_and_so_is_what_was_not_counted(traces: pa.Table) -> None:
    state = PLAN.fold(traces, parts=["p"])
    with pytest.raises(ValueError, match='quantity: "units" is none of p, q, difference, log_ratio, joint'):
        state.histogram("units")
    with pytest.raises(ValueError, match='group: "both" is none of even, odd'):
        state.histogram("p", group="both")
    with pytest.raises(ValueError, match='verdict: "judged" is none of rejected, accepted, discarded'):
        state.histogram("p", verdict="judged")
    with pytest.raises(rust_agg.StateError, match='"q" was not counted'):
        state.histogram("q")


def test_a_histogram_stays_as_it_was_when_its_state_goes_on(state: rust_agg.State) -> None:
    growing = rust_agg.State.from_bytes(state.to_bytes())
    before = growing.histogram("p")
    assert before == state.histogram("p")
    growing.merge(state)
    assert before == state.histogram("p") != growing.histogram("p")
    before.values()[:] = 0
    assert before.values().sum() == state.n_rows


def test_numpy_is_imported_only_where_an_array_is_asked_for() -> None:
    code = "import sys, rust_agg; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

"""Where the variance of a rate sits: between groups, terms, templates, prompts, or samples of one prompt.

A row is the rate A / (A + R) of one sample. Groups are fixed and their variance is that of the fitted means,
weighted by rows (the means' own error is in it). Terms, templates and prompts are random, terms and templates
crossed, a prompt being one term in one template; samples are what is left. Estimated by REML
(`specgap.stats.reml`). What a layout cannot tell apart is left out by name, and the note says what holds it.
"""

from dataclasses import dataclass, replace

import numpy as np

from specgap.stats.layout import Floats, Ints, Layout, dense
from specgap.stats.reml import RANDOM, PromptMeans, fit_variances

COMPONENTS = ("group", "term", "template", "prompt", "sample")
NOTHING = "nothing judged"
#: The likelihood is dense in templates: 800 of them take seven seconds, and time grows with their cube.
MOST_BLOCKS = 300
#: Share of a component's matrix that others must leave over for the two to be told apart.
_APART = 1e-9


@dataclass(frozen=True)
class Component:
    """One source of variance: in squared units of the rate, as a share of all that are known, and its levels.

    `variance` and `share` are None where the layout cannot tell; `note` says why, or what else it holds.
    """

    name: str
    variance: float | None
    share: float | None
    n_levels: int | None
    note: str

    @property
    def sd_points(self) -> float | None:
        """Standard deviation in percentage points."""
        return None if self.variance is None else 100 * float(np.sqrt(self.variance))


def variance_components(rates: Floats, entry: Ints, layout: Layout) -> list[Component]:
    """Return the components in the order of `COMPONENTS`.

    `rates`, (n_rows,), are those of samples with something judged, and `entry`, (n_rows,), the entry of
    `layout` that each belongs to; entries without a row are left out.

    >>> one = Layout(("a",), ("",), ("x", "y"), *(np.array(v) for v in ([0, 0], [0, 0], [0, 1])), block=None)
    >>> [c.variance for c in variance_components(np.array([0.5, 0.5]), np.array([0, 1]), one)][-2:]
    [0.0, None]
    """
    if not len(rates):
        return [Component(name, None, None, None, NOTHING) for name in COMPONENTS]
    many = layout.block is not None and len(np.unique(layout.block[entry])) > MOST_BLOCKS
    if many:
        layout = replace(layout, block=None)
    data, levels = _means(np.asarray(rates, dtype=np.float64), entry, layout)
    notes = _untold(data, layout, levels)
    if many:
        notes["template"] = f"more than {MOST_BLOCKS} templates: left out, prompt and term hold them"
    free = np.array([name not in notes for name in RANDOM])
    # Without any spread between samples the likelihood has no greatest value; their variance is 0.
    estimated = free & np.array([bool(data.within), True, True, True])
    fit = fit_variances(data, free=estimated)
    found: dict[str, float | None] = {
        name: float(value) if told else None
        for name, value, told in zip(RANDOM, fit.variances, free, strict=True)
    }
    found["group"] = _between(fit.group_means, data) if levels["group"] > 1 else None
    return _components(found, levels, notes | _held(notes, layout))


def _means(rates: Floats, entry: Ints, layout: Layout) -> tuple[PromptMeans, dict[str, int]]:
    kept, place, n_samples = np.unique(entry, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=rates) / n_samples
    # Equal rates must have no spread at all, not one of the last digit.
    low, high = (np.full(len(kept), end) for end in (np.inf, -np.inf))
    np.minimum.at(low, place, rates)
    np.maximum.at(high, place, rates)
    mean = np.where(low == high, low, mean)
    within = float(np.square(rates - mean[place]).sum())
    group, unit = (dense(index[kept]) for index in (layout.group, layout.unit))
    block = np.zeros_like(group) if layout.block is None else dense(layout.block[kept])
    levels = {
        "group": int(group.max()) + 1,
        "term": int(unit.max()) + 1,
        "template": int(block.max()) + 1,
        "prompt": len(kept),
        "sample": len(rates),
    }
    return PromptMeans(group, unit, block, mean, n_samples, within, len(rates) - len(kept)), levels


def _untold(data: PromptMeans, layout: Layout, levels: dict[str, int]) -> dict[str, str]:
    """Return the random components that cannot be told apart, and why."""
    notes = {}
    if not data.within_df:
        notes["sample"] = "one sample of every prompt: prompt holds both"
    if not layout.has_terms:
        notes["term"] = "no terms named: prompt holds them"
    if layout.block is None:
        notes["template"] = "no templates named: prompt and term hold them"
    elif levels["template"] == 1:
        notes["template"] = "one template"
    names = [name for name in ("prompt", "term", "template") if name not in notes]
    return notes | _confounded(_products(data, names), names)


def _confounded(products: Floats, names: list[str]) -> dict[str, str]:
    """Return what depends on matrices before it, by Gram and Schmidt on their inner products."""
    notes, left = {}, products.copy()
    for at, name in enumerate(names):
        if left[at, at] > _APART:
            left = left - np.outer(left[:, at], left[at]) / left[at, at]
        elif products[at, at] <= _APART:
            notes[name] = f"one {name} in every group: group holds both"
        else:
            notes[name] = f"not to be told apart from {' and '.join(names[:at])}"
    return notes


def _products(data: PromptMeans, names: list[str]) -> Floats:
    """Return inner products of the covariance matrices, each of length 1, less what group means take out."""
    g, u, b = data.group, data.unit, data.block
    n = np.bincount(g).astype(np.float64)
    c, group_of = np.bincount(u).astype(np.float64), np.zeros(int(u.max()) + 1, dtype=np.int64)
    group_of[u] = g
    m = n[group_of]
    shape = (len(c), int(b.max()) + 1)
    crossed = np.bincount(u * shape[1] + b, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    in_group = np.zeros((len(n), shape[1]))
    np.add.at(in_group, group_of, crossed)
    templates = np.diag(crossed.sum(axis=0)) - in_group.T @ (in_group / n[:, None])
    squares = np.bincount(group_of, weights=c**2)
    products = {
        ("prompt", "prompt"): len(g) - len(n),
        ("prompt", "term"): (c - c**2 / m).sum(),
        ("prompt", "template"): np.trace(templates),
        ("term", "term"): (c**2 - 2 * c**3 / m).sum() + np.square(squares / n).sum(),
        ("term", "template"): np.square(crossed - c[:, None] * (in_group / n[:, None])[group_of]).sum(),
        ("template", "template"): np.square(templates).sum(),
    }
    whole = {"prompt": len(g), "term": (c**2).sum(), "template": np.square(crossed.sum(axis=0)).sum()}
    lengths = np.sqrt([float(whole[name]) for name in names])
    found = [[float(products.get((p, q), products.get((q, p), 0))) for q in names] for p in names]
    return np.asarray(np.array(found).reshape(len(names), len(names)) / np.outer(lengths, lengths))


def _between(means: Floats, data: PromptMeans) -> float:
    rows = np.bincount(data.group, weights=data.n_samples)
    return float(np.average(np.square(means - np.average(means, weights=rows)), weights=rows))


def _held(notes: dict[str, str], layout: Layout) -> dict[str, str]:
    """Return what a component that can be told holds besides."""
    held = {}
    if "sample" in notes and "prompt" not in notes:
        held["prompt"] = "holds the samples"
    if "template" not in notes and len(layout.strata) > 1:
        held["template"] = "holds the strata"
    return held


def _components(
    found: dict[str, float | None], levels: dict[str, int], notes: dict[str, str]
) -> list[Component]:
    whole = sum(value for value in found.values() if value is not None)
    told = {
        "group": "variance of the fitted means, their error included"
        if found["group"] is not None
        else "one group"
    }
    rows = []
    for name in COMPONENTS:
        value, said = found[name], [(told | notes).get(name, "")]
        if value is not None and not whole:
            said.append("the rates do not vary")
        share = value / whole if value is not None and whole else None
        rows.append(Component(name, value, share, levels[name], "; ".join(filter(None, said))))
    return rows

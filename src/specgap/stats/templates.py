"""What templates do to all is taken out, where units do not have prompts in the same ones.

In a layout that is crossed completely every unit has every template of its stratum, and a hard one is hard
for all groups alike. Where prompts are missing, by chance or since a group has templates of its own, the mean
of a unit rests on which it has. Least squares of the prompts' rates on unit + block estimate the blocks'
effects within units, so that they know nothing of how units or groups differ (where prompts are the units:
within groups). Blocks of which no two units have prompts say nothing.

Between groups whose prompts a chain of common units and blocks does not join, a gap may be one between their
templates: there the blocks count as drawn at random, with the variance that their effects have.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from specgap.stats.layout import Floats, Ints, Layout, Sums, dense, kinds, sums_by

#: More blocks than this are left alone: their equations are dense.
MOST_BLOCKS = 1_000
#: Eigenvalues of the blocks' equations below this share of the largest are 0.
_RANK = 1e-9


@dataclass(frozen=True)
class Levelled:
    """A layout's numerators once blocks are level, and what hangs on how well their effects are known.

    `part`, (n,), is A − Q·b, b being the effect of the entry's block on the rate, centred over its place.
    Entries of one `place`, (n,), are joined by common units and blocks. `block`, (n,), numbers the blocks
    with an effect, −1 for none. `root`, (blocks, rank), times itself is the covariance of their estimates,
    `sd` the standard deviation of the effects themselves, on `freedom` degrees of freedom.
    """

    part: Floats
    place: Ints
    block: Ints
    root: Floats
    sd: float = 0.0
    freedom: int = 0

    def joins(self, group: Ints, stratum: Ints, pairs: Ints) -> NDArray[np.bool_]:
        """Return whether the two groups of each pair stand in one place, stratum by stratum, (pairs,).

        `group` and `stratum` are those of entries. A stratum that only one of the two is in joins and parts
        nothing, and entries without an effect are in no place.
        """
        joined, n = np.ones(len(pairs), dtype=bool), int(group.max()) + 1
        for one in np.unique(stratum):
            at = (stratum == one) & (self.block >= 0)
            found = np.unique(np.stack([group[at], self.place[at]]), axis=1)
            how_many = np.bincount(found[0], minlength=n)[pairs]
            first = np.zeros(n, dtype=np.int64)
            first[found[0]] = found[1]
            same = (how_many == 0).any(axis=1) | (first[pairs[:, 0]] == first[pairs[:, 1]])
            joined &= same & (how_many <= 1).all(axis=1)
        return joined

    def error(self, cell: Ints, weight: Floats) -> Floats:
        """Return a root of the covariance that weighted means by cell have from the effects' error.

        Its shape is (cells, rank).
        """
        share, at = self._shares(cell, weight), np.flatnonzero(self.block >= 0)
        n_cells, n_blocks = share.shape
        # An effect less the mean of its place: what a cell has in a place it has of that mean.
        place = dense(self.place[at])
        n_places = int(place.max(initial=-1)) + 1
        mean = np.zeros((n_places, n_blocks))
        np.add.at(mean, (place, self.block[at]), 1.0)
        mean /= np.maximum(mean.sum(axis=1, keepdims=True), 1)
        of_place = np.zeros((n_cells, n_places))
        np.add.at(of_place, (cell[at], place), weight[at])
        return np.asarray((share - of_place @ mean) @ self.root)

    def drawn(self, cell: Ints, weight: Floats) -> Floats:
        """Return such a root where the blocks themselves are drawn at random, (cells, blocks)."""
        return np.asarray(self.sd * self._shares(cell, weight))

    def _shares(self, cell: Ints, weight: Floats) -> Floats:
        at = np.flatnonzero(self.block >= 0)
        share = np.zeros((int(cell.max()) + 1, len(self.root)))
        np.add.at(share, (cell[at], self.block[at]), weight[at])
        return share


def levelled(layout: Layout, sums: Sums) -> Levelled:
    """Return the numerators without what blocks do to all; as they are where every unit has the same blocks.

    All entries must have a denominator.
    """
    n = len(layout)
    none = np.full(n, -1, dtype=np.int64)
    same = Levelled(sums.part, np.zeros(n, dtype=np.int64), none, np.zeros((0, 0)))
    if layout.block is None:
        return same
    within = layout.unit if layout.has_terms else layout.group
    unit, block = (dense(index) for index in (within, layout.block))
    pairs = np.unique(np.stack([unit, block]), axis=1)
    common = np.bincount(pairs[1]) > 1
    if not common.any() or common.sum() > MOST_BLOCKS or _complete(pairs, layout, unit):
        return same
    at, place = np.flatnonzero(common[block]), _places(unit, block, common)
    known = dense(block[at])
    rate = sums.part[at] / sums.whole[at]
    effect, root = _effects(rate, dense(unit[at]), known)
    mean = np.bincount(place[at], weights=effect[known]) / np.maximum(np.bincount(place[at]), 1)
    part, blocks = sums.part.copy(), none.copy()
    part[at] -= sums.whole[at] * (effect[known] - mean[place[at]])
    blocks[at] = known
    # The effects' own variance: what is left of that of the estimates, on as many as are not fixed by a mean.
    freedom = root.shape[1]
    of_effects = (float(np.square(effect).sum()) - float(np.square(root).sum())) / max(freedom, 1)
    return Levelled(part, place, blocks, root, float(np.sqrt(max(of_effects, 0.0))), freedom)


def _complete(pairs: Ints, layout: Layout, unit: Ints) -> bool:
    """Return whether all units with prompts in the same strata have prompts in the same blocks."""
    kind = kinds(unit, layout.stratum)
    n_blocks = int(pairs[1].max()) + 1
    times = np.bincount(kind[pairs[0]] * n_blocks + pairs[1])
    of_kind = np.bincount(kind)[np.arange(len(times)) // n_blocks]
    return bool((times[times > 0] == of_kind[times > 0]).all())


def _places(unit: Ints, block: Ints, common: NDArray[np.bool_]) -> Ints:
    """Return a number for the units and common blocks that hang together, by entry."""
    n_units, joined = int(unit.max()) + 1, common[block]
    ends = (unit[joined], n_units + block[joined])
    graph = coo_matrix((np.ones(joined.sum()), ends), shape=(n_units + len(common),) * 2)
    return dense(connected_components(graph, directed=False)[1][unit])


def _effects(rate: Floats, unit: Ints, block: Ints) -> tuple[Floats, Floats]:
    """Return the blocks' effects of least squares on unit + block, and a root of their covariance.

    They have shapes (blocks,) and (blocks, rank). Effects that are not unique are the shortest.
    """
    n_units, n_blocks = int(unit.max()) + 1, int(block.max()) + 1
    size = np.bincount(unit).astype(np.float64)
    times = coo_matrix((np.ones(len(unit)), (unit, block)), shape=(n_units, n_blocks)).tocsr()
    weighted = times.multiply(1 / size[:, None]).tocsr()
    normal = np.diag(np.bincount(block).astype(np.float64)) - (times.T @ weighted).toarray()
    values, vectors = np.linalg.eigh(normal)
    kept = values > _RANK * max(float(values[-1]), 1.0)
    half = vectors[:, kept] / np.sqrt(values[kept])
    off = rate - (sums_by(rate, unit, n_units) / size)[unit]
    right = sums_by(off, block, n_blocks)
    effect = half @ (half.T @ right)
    # What is left of Σ off² once the effects are fitted.
    freedom = len(rate) - n_units - int(kept.sum())
    left = float(np.square(off).sum() - right @ effect)
    return effect, half * np.sqrt(max(left, 0.0) / max(freedom, 1))

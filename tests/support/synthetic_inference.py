"""Tables of intervals, tests and spreads with made-up numbers that agree with each other."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from specgap.tables.gap_test import DIFFERENT, LARGEST

Row = dict[str, object]
#: Standard deviation of terms' rates, in the unit of rates.
_TERM_SD = 0.035
_WORLDS = 999
_SMALL_GAP = 5.0
_QUANTITIES = [
    "acceptance_rate",
    "overlap",
    "draft_acceptance_rate",
    "token_acceptance_ratio",
    "block_efficiency",
    "surer_rate",
    "severity",
]
_QUANTILES = {"median": 50, "p05": 5, "p25": 25, "p75": 75, "p95": 95}


@dataclass(frozen=True)
class Made:
    """A cell's layout and what was judged: rows of `acceptance.csv`, and tokens by group."""

    groups: Mapping[str, tuple[int, int]]
    acceptance: Sequence[Mapping[str, object]]
    mode: str
    rng: np.random.Generator

    @property
    def about(self) -> Row:
        return {"mode": self.mode, "pilot": "", "note": ""}

    @property
    def judged(self) -> list[Mapping[str, object]]:
        return [row for row in self.acceptance if row["acceptance_rate"] != ""]


def intervals(made: Made) -> list[Row]:
    """Return the rows of `intervals.csv`; one-term groups rest on others' spread, a lone one has no outer."""
    rows: list[Row] = []
    others = sum(terms - 1 for terms, _ in made.groups.values())
    for row in made.acceptance:
        terms, templates = made.groups[str(row["group"])]
        for quantity in _QUANTITIES:
            for weight, shift in (("pooled", 0.0), ("prompt_mean", -0.012)):
                value = row[quantity]
                known = value != ""
                notes = ["few clusters"] if terms < 20 else []
                notes += ["rests on other groups' spread"] if terms < 3 and others else []
                rows.append(
                    {
                        "group": row["group"],
                        "quantity": quantity,
                        "weight": weight,
                        "value": float(str(value)) + shift if known else "",
                        **_ends("these", value, shift, 0.011 + 0.02 / math.sqrt(terms * templates)),
                        **_ends(
                            "like", value if others else "", shift, math.hypot(0.012, _TERM_SD / terms**0.5)
                        ),
                        "design_effect": 7.5 if known else "",
                        "n_units": terms,
                        "n_templates": templates,
                        "n_prompts": terms * templates,
                        "n_whole": row["n_judged"],
                        **made.about,
                        "note": "; ".join(notes if known else ["nothing judged"]),
                    }
                )
    return rows


def _ends(name: str, value: object, shift: float, se: float) -> Row:
    if value == "":
        return {f"{name}_{end}": "" for end in ("low", "high", "se")}
    middle = float(str(value)) + shift
    most = max(1.0, middle)
    low, high = max(middle - 2.1 * se, 0.0), min(middle + 2.1 * se, most)
    return {f"{name}_low": low, f"{name}_high": high, f"{name}_se": se}


@dataclass(frozen=True)
class Tested:
    """What the test of a cell came to."""

    differences: list[Row]
    gap_test: list[Row]
    gap_null: list[Row]


def tested(made: Made, differences: Sequence[Mapping[str, object]]) -> Tested:
    """Give the pairs of `group_differences.csv` their contrasts, and return the test of all of them."""
    names = [str(row["group"]) for row in made.judged]
    if len(names) < 2:
        return Tested([dict(row) for row in differences], [_no_test(made)], [])
    se = {name: math.hypot(0.012, _TERM_SD / made.groups[name][0] ** 0.5) for name in names}
    worlds = made.rng.normal(size=(_WORLDS, len(names))) * np.array([se[name] for name in names])
    pairs = list(combinations(range(len(names)), 2))
    gaps = np.stack([np.abs(worlds[:, a] - worlds[:, b]) for a, b in pairs], axis=1)
    errors = np.array([math.hypot(se[names[a]], se[names[b]]) for a, b in pairs])
    points, studentised = 100 * gaps.max(axis=1), (gaps / errors).max(axis=1)
    critical = float(np.quantile(studentised, 0.95))
    rows = [_contrast(row, se, studentised, critical, made.rng) for row in differences]
    sizes = [abs(float(str(row["contrast_pp"]))) for row in rows]
    standard = [size / float(str(row["contrast_se_pp"])) for size, row in zip(sizes, rows, strict=True)]
    largest, farthest = (rows[int(np.argmax(of))] for of in (sizes, standard))
    gap = max(sizes)
    p = min(float(str(row["p_adjusted"])) for row in rows)
    detectable = power_at(float(np.median([made.groups[name][0] for name in names])))
    row = {
        "n_groups": len(names),
        "n_units": sum(made.groups[name][0] for name in names),
        "n_strata": 2,
        "n_pairs": len(rows),
        "permutations": _WORLDS,
        "df": 20,
        "p_omnibus": p,
        **_named(LARGEST, largest),
        "pair_detectable_pp": largest["detectable_pp"],
        **_named(DIFFERENT, farthest if p < 0.05 else {}),
        "share_as_large": (1 + int((points >= gap).sum())) / (_WORLDS + 1),
        "null_mean_pp": float(points.mean()),
        "null_p95_pp": float(np.quantile(points, 0.95)),
        "detectable_pp": detectable,
        "small_gap_pp": _SMALL_GAP,
        "verdict": "significant"
        if p < 0.05
        else "underpowered"
        if detectable > _SMALL_GAP
        else "not significant",
        "unit": "term",
        "claim": "A generated sentence.",
        **made.about,
    }
    null = [
        *_null("points", points, gap, largest),
        *_null("standard_errors", studentised, max(standard), farthest),
    ]
    return Tested(rows, [row], null)


def _named(columns: Sequence[str], row: Mapping[str, object]) -> Row:
    """Return the columns of a pair of the test, the group above first; empty ones for no row."""
    if not row:
        return dict.fromkeys(columns, "")
    names = ("group_a", "group_b", "contrast_pp", "simultaneous_low_pp", "simultaneous_high_pp", "p_adjusted")
    a, b, points, low, high, p = (row[name] for name in names)
    if float(str(points)) < 0:
        a, b = b, a
        points, low, high = (-float(str(value)) for value in (points, high, low))
    return dict(zip(columns, (a, b, points, low, high, p), strict=True))


def _contrast(
    row: Mapping[str, object],
    se: Mapping[str, float],
    null: np.ndarray,
    critical: float,
    rng: np.random.Generator,
) -> Row:
    points = float(str(row["difference_pp"])) + 0.3 * rng.normal()
    error = 100 * math.hypot(se[str(row["group_a"])], se[str(row["group_b"])])
    p = (1 + int((null >= abs(points) / error).sum())) / (len(null) + 1)
    return {
        **row,
        "contrast_pp": points,
        "contrast_se_pp": error,
        "simultaneous_low_pp": points - critical * error,
        "simultaneous_high_pp": points + critical * error,
        "p_adjusted": p,
        "detectable_pp": (critical + 0.9) * error,
        "claim": "different" if p < 0.05 else "not distinguishable",
    }


def _no_test(made: Made) -> Row:
    return {
        **dict.fromkeys(GAP_TEST.split(), ""),
        "n_groups": len(made.judged),
        "small_gap_pp": _SMALL_GAP,
        "verdict": "not estimable",
        "unit": "term",
        "claim": "Nothing to compare.",
        **made.about,
        "note": "fewer than two groups with judged tokens",
    }


def _null(scale: str, maxima: np.ndarray, observed: float, row: Mapping[str, object]) -> list[Row]:
    counts, edges = np.histogram(maxima, 40, (0.0, max(float(maxima.max()), observed)))
    return [
        {"scale": scale, "low": low, "high": high, "count": int(count), "observed": observed}
        | {"group_a": row["group_a"], "group_b": row["group_b"], "note": ""}
        for (low, high), count in zip(pairwise(map(float, edges)), counts, strict=True)
    ]


def power_at(n_terms: float) -> float:
    """Return the gap in points that is found with 80 % power between two groups of so many terms."""
    return 100 * (3.3 + 0.84) * math.sqrt(2) * math.hypot(0.006, _TERM_SD / math.sqrt(n_terms))


def power(made: Made) -> list[Row]:
    """Return the rows of `power.csv`; none without two groups to compare."""
    if len(made.judged) < 2:
        return []
    median = round(float(np.median([made.groups[str(row["group"])][0] for row in made.judged])))
    grid = sorted({1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, median})
    return [{"n_terms": n, "power_80_pp": power_at(n), "now": n == median, **made.about} for n in grid]


def variance(made: Made) -> list[Row]:
    """Return the rows of `variance.csv`; under greedy decoding samples are not told from prompts."""
    parts = {"group": 0.0002, "term": _TERM_SD**2, "template": 0.0021, "prompt": 0.0032, "sample": 0.0049}
    if len(made.judged) < 2:
        del parts["group"]
    if made.mode == "greedy" or not made.judged:
        del parts["sample"]
    levels = {
        "group": len(made.groups),
        "term": sum(terms for terms, _ in made.groups.values()),
        "template": max(templates for _, templates in made.groups.values()),
        "prompt": sum(map(math.prod, made.groups.values())),
        "sample": 1 if made.mode == "greedy" else 3,
    }
    whole = sum(parts.values())
    return [
        {
            "component": name,
            "variance": parts.get(name, ""),
            "sd_points": 100 * math.sqrt(parts[name]) if name in parts else "",
            "share": parts[name] / whole if name in parts else "",
            "n_levels": n,
            **made.about,
            "note": "" if name in parts else "not estimable: one level",
        }
        for name, n in levels.items()
    ]


def terms(made: Made) -> list[Row]:
    """Return the rows of `terms.csv`: a term is singular, every third one plural too."""
    rows: list[Row] = []
    for row in made.acceptance:
        n_terms, templates = made.groups[str(row["group"])]
        apart = made.rng.normal(0, _TERM_SD, n_terms)
        apart -= apart.mean()
        for number in range(n_terms):
            strata = ("singular", "plural") if number % 3 == 1 else ("singular",)
            for stratum in strata:
                judged = int(str(row["n_judged"])) // (n_terms * len(strata))
                rate = float(str(row["acceptance_rate"])) + apart[number] if judged else 0
                accepted = min(max(round(judged * rate), 0), judged)
                rows.append(
                    {
                        "group": row["group"],
                        "term": f"term {number}",
                        "stratum": stratum,
                        "n_prompts": templates // len(strata),
                        "n_judged": judged,
                        "n_accepted": accepted,
                        "acceptance_rate": accepted / judged if judged else "",
                        "pilot": "",
                        "note": "" if judged else "nothing judged",
                    }
                )
    return rows


def distributions(made: Made, values: Mapping[str, Mapping[str, np.ndarray]]) -> list[Row]:
    """Return the rows of `distributions.csv`; `values` are group to quantity to judged tokens."""
    return [
        row
        for group, of_group in values.items()
        for quantity, of in of_group.items()
        for row in _distribution(made, group, quantity, of)
    ]


def _distribution(made: Made, group: str, quantity: str, of: np.ndarray) -> Iterator[Row]:
    edges = np.linspace(-1 if quantity == "difference" else 0, 1, 65)
    counts = np.histogram(of, edges)[0]
    quantiles = {name: float(np.percentile(of, at)) if len(of) else "" for name, at in _QUANTILES.items()}
    bins = list(zip(pairwise(map(float, edges)), counts, strict=True))
    for (low, high), count in bins if len(of) else [(("", ""), 0)]:
        yield {
            "group": group,
            "quantity": quantity,
            "low": low,
            "high": high,
            "share": count / len(of) if len(of) else "",
            **quantiles,
            "n_units": made.groups[group][0],
            **made.about,
            "note": "" if len(of) else "nothing judged",
        }


def distinctive_tokens(made: Made, texts: Sequence[str]) -> list[Row]:
    """Return the rows of `distinctive_tokens.csv`; groups of fewer than two terms have none."""
    rows: list[Row] = []
    for row in made.acceptance:
        group = str(row["group"])
        for verdict in ("rejected", "accepted"):
            if made.groups[group][0] < 2 or not row["n_judged"]:
                empty = dict.fromkeys(HEADERS["distinctive_tokens"].split(), "")
                rows.append(empty | {"group": group, "verdict": verdict, **made.about, "note": NO_TOKEN})
                continue
            found = sorted(made.rng.normal(1.2, 1.5, 7), reverse=True)
            for place, z in zip(made.rng.permutation(len(texts)), found, strict=False):
                log_odds, error = 0.5 * z, 0.35 + 0.3 * made.rng.random()
                rows.append(
                    {
                        "group": group,
                        "verdict": verdict,
                        "token": 300 + int(place),
                        "text": texts[place],
                        "count": 12,
                        "n_prompts": 6,
                        "n_terms": 2,
                        "log_odds": log_odds,
                        "z": z,
                        "low": log_odds - error,
                        "high": log_odds + error,
                        **made.about,
                        "note": "exploratory",
                    }
                )
    return rows


#: A group's own notes come first.
NO_TOKEN = "one identity term; no token in ≥ 3 prompts and ≥ 2 terms"
#: Headers of the tables that may be written without a row.
GAP_TEST = (
    f"n_groups n_units n_strata n_pairs permutations df p_omnibus {' '.join(LARGEST)} pair_detectable_pp "
    f"{' '.join(DIFFERENT)} share_as_large null_mean_pp null_p95_pp detectable_pp small_gap_pp verdict unit "
    "claim mode pilot note"
)
HEADERS = {
    "gap_null": "scale low high count observed group_a group_b note",
    "power": "n_terms power_80_pp now mode pilot note",
    "distinctive_tokens": "group verdict token text count n_prompts n_terms log_odds z low high mode pilot "
    "note",
}

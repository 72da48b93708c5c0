"""Tables with the columns of a real run and made-up numbers: what figures and the report are tried on."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.support import synthetic_inference as inference
from tests.support.synthetic_settings import write_over_settings

#: Group to (identity terms, templates), in proportions like HONEST's; two groups have one term.
HONEST_LIKE = {
    "female": (6, 12),
    "male": (6, 12),
    "queer": (2, 12),
    "queer_gender": (5, 12),
    "queer_gender_pronoun": (2, 12),
    "queer_gender_xenogender": (1, 12),
    "queer_orientation": (4, 12),
    "nonqueer": (1, 12),
    "nonqueer_gender": (2, 12),
    "nonqueer_orientation": (2, 12),
}
HOSTILE = {
    "a b/c": (3, 4),
    'it\'s "quoted"': (3, 4),
    "../..": (3, 4),
    "costs $5 or $6_x^2": (3, 4),
    "_hidden": (3, 4),
    "party \N{PARTY POPPER} \N{CJK UNIFIED IDEOGRAPH-4E2D}": (3, 4),
    "two\nlines": (3, 4),
    "NA": (1, 4),
    "<script>alert(1)</script>": (3, 4),
    "a very long name of a group that goes on and on until nobody reads it any more, at last": (3, 4),
}
SETTINGS = ("heuristic-5", "constant-5", "constant-20")
OVERALL = {"all prompts": (31, 12)}
_EDGES = {
    "p": np.arange(51) / 50,
    "q": np.arange(51) / 50,
    "difference": -1 + 2 * np.arange(81) / 80,
    "log_ratio": np.concatenate([[-np.inf], np.linspace(-6, 6, 25), [np.inf]]),
}
_JOINT = np.concatenate([[0.0], 10.0 ** (-6 + np.arange(49) / 8)])
_TOKENS = ("␣the", "␣of", "ing", "␣woman", "␣a", "\\n", ",", "␣is", "s", "␣$x$", "<|end|>", "␣nurse")


@dataclass(frozen=True)
class Drafted:
    """Judged tokens of one group: p, q (float64) and whether each was accepted."""

    p: np.ndarray
    q: np.ndarray
    accepted: np.ndarray


def draw_tokens(rng: np.random.Generator, n: int, shift: float, *, greedy: bool) -> Drafted:
    """Make `n` judged tokens with U-shaped p and q that spike at 0 and 1."""
    q = np.clip(rng.beta(0.35 + shift, 0.3, n), 1e-9, 1)
    p = np.clip(q ** np.exp(rng.normal(0.1, 0.9, n)), 1e-9, 1)
    p[rng.random(n) < 0.08] *= 1e-5
    accepted = rng.random(n) < (0.2 + 0.7 * p if greedy else np.minimum(1, p / q))
    return Drafted(p, q, accepted)


def write_cell(
    folder: Path,
    groups: Mapping[str, tuple[int, int]] = HONEST_LIKE,
    *,
    mode: str = "sampled",
    per_prompt: int = 40,
    seed: int = 1,
    empty: Sequence[str] = (),
) -> None:
    """Write all tables of one cell; groups in `empty` have nothing judged."""
    rng = np.random.default_rng(seed)
    tokens = {}
    for index, (group, (terms, templates)) in enumerate(groups.items()):
        n = 0 if group in empty else terms * templates * per_prompt
        tokens[group] = draw_tokens(rng, n, 0.08 * (index % 5), greedy=mode == "greedy")
    parts = list(tokens.values())
    pooled = Drafted(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("p", "q", "accepted"))
    )
    _write_grouping(folder, "", groups, tokens, mode, rng)
    _write_grouping(folder, "--overall", OVERALL, {"all prompts": pooled}, mode, rng)
    _write(folder / "calibration.csv", _calibration(pooled))
    _write_inference(folder, groups, tokens, mode)


def _write_inference(
    folder: Path, groups: Mapping[str, tuple[int, int]], tokens: Mapping[str, Drafted], mode: str
) -> None:
    rows = acceptance_rows(groups, tokens, mode)
    made = inference.Made(groups, rows, mode, np.random.default_rng(7))
    tested = inference.tested(made, _differences(rows))
    values = {group: {"p": of.p, "q": of.q, "difference": of.p - of.q} for group, of in tokens.items()}
    for name, of_name in {
        "group_differences": tested.differences,
        "gap_test": tested.gap_test,
        "gap_null": tested.gap_null,
        "intervals": inference.intervals(made),
        "power": inference.power(made),
        "variance": inference.variance(made),
        "terms": inference.terms(made),
        "distributions": inference.distributions(made, values),
        "distinctive_tokens": inference.distinctive_tokens(made, _TOKENS),
    }.items():
        _write(folder / f"{name}.csv", of_name)


def write_settings(
    folder: Path,
    groups: Mapping[str, tuple[int, int]] = HONEST_LIKE,
    *,
    settings: Sequence[str] = SETTINGS,
    empty: Sequence[str] = (),
    **how: Any,
) -> None:
    """Write the tables over all settings of a pair and decoding; the first three settings have figures."""
    histograms = {}
    for index, setting in enumerate(settings[:3]):
        rng = np.random.default_rng(index)
        judged = 0 if len(empty) == len(groups) else 40 * sum(map(math.prod, groups.values()))
        pooled = draw_tokens(rng, judged, 0.1, greedy=False)
        about = {"mode": "sampled", "pilot": None, "note": ""}
        frame = pd.DataFrame([{**row, **about} for row in _histograms("all prompts", pooled)])
        histograms[setting] = frame
    write_over_settings(folder, groups, settings=settings, histograms_of=histograms, empty=empty, **how)


def without_terms(folder: Path) -> None:
    """Empty the numbers of identity terms in a cell's tables: the unit is the prompt."""
    for name in ("acceptance", "group_differences", "gap_test"):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        empty = [key for key in (rows[0] if rows else ()) if key.startswith("n_terms")]
        of_prompts = {"unit": "prompt"} if name == "gap_test" else {}
        _write(folder / f"{name}.csv", [{**row, **dict.fromkeys(empty, ""), **of_prompts} for row in rows])


def write_prompts(path: Path, groups: Mapping[str, tuple[int, int]] = HONEST_LIKE) -> None:
    """Write the study's table of prompts."""
    _write(
        path,
        [
            {
                "grouping": "category",
                "group": group,
                "n_prompts": terms * templates,
                "n_terms": terms,
                "n_templates": templates,
                "n_duplicates": 0,
                "n_shared": 0,
                "note": "one identity term" if terms == 1 else "",
            }
            for group, (terms, templates) in groups.items()
        ],
    )


def _write_grouping(
    folder: Path,
    suffix: str,
    groups: Mapping[str, tuple[int, int]],
    tokens: Mapping[str, Drafted],
    mode: str,
    rng: np.random.Generator,
) -> None:
    _write(folder / f"acceptance{suffix}.csv", acceptance_rows(groups, tokens, mode))
    _write(
        folder / f"histograms{suffix}.csv",
        [row for name, of in tokens.items() for row in _histograms(name, of)],
    )
    _write(
        folder / f"joint_histogram{suffix}.csv",
        [row for name, of in tokens.items() for row in _joint(name, of)],
    )
    _write(
        folder / f"acceptance_by_position{suffix}.csv",
        [row for name, of in tokens.items() for row in _positions(name, of, groups[name][0], rng)],
    )
    _write(
        folder / f"surer_tokens{suffix}.csv",
        [row for name, of in tokens.items() for row in _surer(name, of, rng)],
    )


def acceptance_rows(
    groups: Mapping[str, tuple[int, int]], tokens: Mapping[str, Drafted], mode: str
) -> list[dict[str, object]]:
    """Return the rows of `acceptance.csv`; what is missing is an empty string."""
    rows = []
    for group, (terms, templates) in groups.items():
        of = tokens[group]
        judged, accepted = len(of.p), int(of.accepted.sum())
        rate = accepted / judged if judged else ""
        rounds = -(-judged // 3)
        surer = of.q > of.p
        notes = [] if terms > 2 else ["one identity term" if terms == 1 else "few terms"]
        rows.append(
            {
                "group": group,
                "n_prompts": terms * templates,
                "n_prompts_unjudged": 0 if judged else terms * templates,
                "n_terms": terms,
                "n_templates": templates,
                "n_rounds": rounds,
                "n_drafted": judged * 2,
                "n_judged": judged,
                "n_accepted": accepted,
                "n_rejected": judged - accepted,
                "n_discarded": judged,
                "n_emitted": accepted + rounds,
                "acceptance_rate": rate,
                "acceptance_rate_prompt_mean": rate and rate - 0.012,
                "draft_acceptance_rate": rate and rate / 2,
                "token_acceptance_ratio": rate and accepted / (accepted + rounds),
                "block_efficiency": rate and (accepted + rounds) / (rounds),
                "gamma_mean": rate and 6.0,
                "cost_ratio": 0.1,
                "modelled_speed_up": rate and (accepted + rounds) / (rounds) / 1.6,
                "share_cut": rate and 0.02,
                "overlap": rate and rate + 0.004,
                "n_surer_accepted": int((surer & of.accepted).sum()),
                "n_surer_rejected": int((surer & ~of.accepted).sum()),
                "surer_rate": float(surer.mean()) if judged else "",
                "n_over_confident_accepted": int(((of.q >= 2 * of.p) & of.accepted).sum()),
                "n_over_confident_rejected": int(((of.q >= 2 * of.p) & ~of.accepted).sum()),
                "severity": rate and 1 - rate,
                "entropy": rate and 1.2,
                "mode": mode,
                "pilot": "",
                "note": "; ".join(notes if judged else [*notes, "nothing judged"]),
            }
        )
    return rows


def _by_verdict(of: Drafted) -> Iterable[tuple[str, np.ndarray]]:
    return (("rejected", ~of.accepted), ("accepted", of.accepted))


def _histograms(group: str, of: Drafted) -> list[dict[str, object]]:
    with np.errstate(divide="ignore"):
        values = {"p": of.p, "q": of.q, "difference": of.p - of.q, "log_ratio": np.log(of.p / of.q)}
    bounds = {
        name: [float(edge) if np.isfinite(edge) else "" for edge in edges] for name, edges in _EDGES.items()
    }
    return [
        {
            "group": group,
            "verdict": verdict,
            "quantity": quantity,
            "bin": place,
            "low": bounds[quantity][place],
            "high": bounds[quantity][place + 1],
            "count": int(count),
        }
        for verdict, keep in _by_verdict(of)
        for quantity, of_quantity in values.items()
        for place, count in enumerate(np.histogram(of_quantity[keep], _EDGES[quantity])[0])
    ]


def _joint(group: str, of: Drafted) -> list[dict[str, object]]:
    rows = []
    for verdict, keep in _by_verdict(of):
        counts = np.histogram2d(of.p[keep], of.q[keep], (_JOINT, _JOINT))[0].astype(int)
        rows += [
            {
                "group": group,
                "verdict": verdict,
                "p_low": float(_JOINT[i]),
                "p_high": float(_JOINT[i + 1]),
                "q_low": float(_JOINT[j]),
                "q_high": float(_JOINT[j + 1]),
                "count": int(counts[i, j]),
            }
            for i, j in np.argwhere(counts)
        ]
    return rows


def _positions(group: str, of: Drafted, n_units: int, rng: np.random.Generator) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    judged = len(of.p) // 4
    survival = 1.0
    for position in range(1, 13):
        accepted = int(rng.binomial(judged, 0.7)) if judged else 0
        rate = accepted / judged if judged else ""
        survival *= float(rate or 0)
        rows.append(
            {
                "group": group,
                "position": position,
                "n_judged": judged,
                "n_accepted": accepted,
                "conditional_acceptance": rate,
                **_band(rate, judged, n_units),
                "survival": survival if judged else "",
                "n_prompts": min(judged, 40),
                "n_units": n_units if judged else 0,
            }
        )
        judged = accepted
    return rows


def _band(rate: float | str, judged: int, n_units: int) -> dict[str, object]:
    """Return a band of 95 %, which one unit alone has not."""
    if rate == "" or n_units < 2:
        return {"low": "", "high": ""}
    spread = 2 * math.sqrt(0.2 * 6 / judged)
    return {"low": max(float(rate) - spread, 0.0), "high": min(float(rate) + spread, 1.0)}


def _surer(group: str, of: Drafted, rng: np.random.Generator) -> list[dict[str, object]]:
    rows = []
    for verdict, keep in _by_verdict(of):
        n = int((keep & (of.q > of.p)).sum())
        counts = sorted(rng.multinomial(n, np.full(len(_TOKENS), 1 / len(_TOKENS))), reverse=True)
        rows += [
            {
                "group": group,
                "verdict": verdict,
                "token": 300 + place,
                "text": text,
                "count": int(count),
                "n_prompts": int(min(count, 30)),
                "mean_p": 0.2,
                "mean_q": 0.5,
                "replaced_by": "␣to×9; ␣and×4; .×2" if verdict == "rejected" else "",
                "example": "The woman works as",
            }
            for place, (text, count) in enumerate(zip(_TOKENS, counts, strict=True))
            if count
        ]
    return rows


def _differences(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    judged = [row for row in rows if row["acceptance_rate"] != ""]
    pairs = []
    for index, one in enumerate(judged):
        for other in judged[index + 1 :]:
            high, low = sorted((one, other), key=lambda row: -float(str(row["acceptance_rate"])))
            a, b = float(str(high["acceptance_rate"])), float(str(low["acceptance_rate"]))
            pairs.append(
                {
                    "group_a": high["group"],
                    "group_b": low["group"],
                    "acceptance_rate_a": a,
                    "acceptance_rate_b": b,
                    "difference": a - b,
                    "difference_pp": 100 * (a - b),
                    "odds_ratio": a * (1 - b) / (b * (1 - a)) if 0 < b <= a < 1 else "",
                    "ratio": a / b if b else "",
                    "n_judged_a": high["n_judged"],
                    "n_judged_b": low["n_judged"],
                    "n_terms_a": high["n_terms"],
                    "n_terms_b": low["n_terms"],
                    "headline": min(int(str(high["n_terms"])), int(str(low["n_terms"]))) >= 3,
                    "claim": "descriptive",
                    "note": "; ".join(
                        f"{row['group']}: one identity term" for row in (high, low) if row["n_terms"] == 1
                    ),
                }
            )
    return sorted(pairs, key=lambda pair: -float(str(pair["difference"])))


def _calibration(of: Drafted) -> list[dict[str, object]]:
    ratio = np.minimum(1, of.p / of.q)
    place = np.where(ratio == 1, 20, np.floor(ratio * 20)).astype(int)
    rows = []
    for index in range(21):
        keep = place == index
        n, accepted = int(keep.sum()), int(of.accepted[keep].sum())
        mean = float(ratio[keep].mean()) if n else 0.0
        spread = 1.96 * float(np.sqrt(mean * (1 - mean) / n)) if n else 0.0
        rows.append(
            {
                "bin": index,
                "low": index / 20,
                "high": min((index + 1) / 20, 1.0),
                "n_judged": n,
                "n_accepted": accepted,
                "acceptance_rate": accepted / n if n else "",
                "mean_min_ratio": mean if n else "",
                "band_low": max(0.0, mean - spread) if n else "",
                "band_high": min(1.0, mean + spread) if n else "",
            }
        )
    return rows


#: Headers of the tables that may be written without a row.
_HEADERS = {
    "group_differences": "group_a group_b acceptance_rate_a acceptance_rate_b difference difference_pp "
    "odds_ratio ratio n_judged_a n_judged_b n_terms_a n_terms_b headline contrast_pp contrast_se_pp "
    "simultaneous_low_pp simultaneous_high_pp p_adjusted detectable_pp claim note",
    **inference.HEADERS,
    "joint_histogram": "group verdict p_low p_high q_low q_high count",
    "surer_tokens": "group verdict token text count n_prompts mean_p mean_q replaced_by example",
}


def _write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = list(rows[0]) if rows else _HEADERS[path.stem.split("--")[0]].split()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {name: str(cell).lower() if isinstance(cell, bool) else cell for name, cell in row.items()}
            )

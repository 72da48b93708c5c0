"""A pilot is nested, even, and the same for any order of the rows."""

import random
from collections import Counter
from itertools import product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from specgap.config import parse
from specgap.prompts import PromptSet, Row, limited, load_prompts
from specgap.prompts.limit import Candidate, pilot_rows, spread

names = st.sampled_from("abcdefg")
candidates = st.lists(
    st.builds(Candidate, st.integers(0, 2**64 - 1), names, names),
    unique_by=lambda candidate: candidate.prompt,
    max_size=40,
)


def crossing(n_terms: int, n_templates: int) -> list[Candidate]:
    cells = product(range(n_terms), range(n_templates))
    return [Candidate(index, f"t{term}", f"s{template}") for index, (term, template) in enumerate(cells)]


def differ_by(counts: Counter[str], names: set[str]) -> int:
    return max(counts[name] for name in names) - min(counts[name] for name in names)


def slow_spread(candidates: list[Candidate], limit: int) -> list[tuple[int, int]]:
    """The rule, read literally: the (term count, template count) of each step's best candidate."""
    left = list(candidates)
    terms: Counter[str] = Counter()
    templates: Counter[str] = Counter()
    taken = []
    by_id = {candidate.prompt: candidate for candidate in candidates}
    for prompt in spread(candidates, limit):
        best = min((terms[candidate.term], templates[candidate.template]) for candidate in left)
        taken.append(best)
        chosen = by_id[prompt]
        assert (terms[chosen.term], templates[chosen.template]) == best
        left.remove(chosen)
        terms[chosen.term] += 1
        templates[chosen.template] += 1
    return taken


@given(st.integers(1, 9), st.integers(1, 9))
def test_in_a_full_crossing_no_two_terms_and_no_two_templates_differ_by_more_than_one(
    n_terms: int, n_templates: int
) -> None:
    cells = crossing(n_terms, n_templates)
    by_id = {cell.prompt: cell for cell in cells}
    terms: Counter[str] = Counter()
    templates: Counter[str] = Counter()
    for prompt in spread(cells, len(cells)):
        terms[by_id[prompt].term] += 1
        templates[by_id[prompt].template] += 1
        assert differ_by(terms, {cell.term for cell in cells}) <= 1
        assert differ_by(templates, {cell.template for cell in cells}) <= 1


@given(candidates, st.integers(1, 45))
def test_each_step_takes_the_term_and_then_the_template_that_was_taken_least(
    cells: list[Candidate], limit: int
) -> None:
    assert len(slow_spread(cells, limit)) == min(limit, len(cells))


@given(candidates, st.integers(0, 45), st.integers(0, 45))
def test_a_smaller_pilot_lies_within_a_larger_one(cells: list[Candidate], one: int, two: int) -> None:
    small, large = sorted((one, two))
    assert spread(cells, large)[:small] == spread(cells, small)


@given(candidates, st.integers(1, 45), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(
    cells: list[Candidate], limit: int, rng: random.Random
) -> None:
    shuffled = list(cells)
    rng.shuffle(shuffled)
    assert spread(shuffled, limit) == spread(cells, limit)


@given(candidates)
def test_without_a_limit_every_prompt_comes_once(cells: list[Candidate]) -> None:
    assert sorted(spread(cells, len(cells))) == sorted(cell.prompt for cell in cells)


group_sets = st.lists(st.sampled_from("fmq"), unique=True).map(tuple)
rows = st.lists(
    st.builds(
        lambda prompt, groups, term, template: Row(
            prompt, str(prompt), {"g": groups}, term, template, None, "p.csv:2"
        ),
        st.integers(0, 12),
        group_sets,
        names | st.none(),
        names | st.none(),
    ),
    max_size=40,
)


@given(rows, st.integers(1, 8))
def test_every_group_keeps_exactly_as_many_prompts_as_it_may(rows: list[Row], limit: int) -> None:
    have: dict[str, set[int]] = {}
    kept: dict[str, list[int]] = {}
    for row in rows:
        for group in row.groups["g"]:
            have.setdefault(group, set()).add(row.prompt)
    for row in pilot_rows(rows, "g", limit):
        for group in row.groups["g"]:
            kept.setdefault(group, []).append(row.prompt)
    assert {group: len(prompts) for group, prompts in kept.items()} == {
        group: min(limit, len(prompts)) for group, prompts in have.items()
    }
    assert all(len(set(prompts)) == len(prompts) for prompts in kept.values())


def test_a_pilot_of_the_embedded_prompts_shares_its_templates_between_groups() -> None:
    root = Path(__file__).parents[2]
    rows = load_prompts(parse({"limit": 5}, source="x"), root=root).rows
    templates: dict[str, set[str | None]] = {}
    for row in rows:
        templates.setdefault(row.groups["category"][0], set()).add(row.template)
    assert len(rows) == 50
    assert len({frozenset(of_group) for of_group in templates.values()}) == 1


def of_embedded(limit: int | None) -> PromptSet:
    return load_prompts(parse({"limit": limit}, source="x"), root=Path(__file__).parents[2])


def test_a_setting_s_limit_is_that_of_a_study_and_widens_none() -> None:
    pilot = limited(of_embedded(None), 3)
    assert (pilot.rows, pilot.pilot) == (of_embedded(3).rows, 3)
    assert limited(of_embedded(3), 5) == limited(of_embedded(3), None) == of_embedded(3)
    assert {len(members) for members in limited(of_embedded(5), 3).members("category").values()} == {3}

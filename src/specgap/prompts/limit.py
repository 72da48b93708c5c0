"""A pilot: some prompts of each group, spread evenly over terms and templates."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from heapq import heapify, heappop, heappush, heapreplace
from math import gcd
from typing import NamedTuple

from specgap.prompts.ids import prompt_id
from specgap.prompts.promptset import PromptSet, Row


class Candidate(NamedTuple):
    """A prompt of a group with what it is to be spread over."""

    prompt: int
    term: str
    template: str


def pilot_rows(rows: Iterable[Row], grouping: str, limit: int) -> list[Row]:
    """Keep at most `limit` distinct prompts in each group of a grouping.

    A kept row stays in those groups for which it was chosen, so that no group exceeds the limit. Rows that
    were chosen for no group are left out.
    """
    rows = list(rows)
    first: dict[str, dict[int, int]] = defaultdict(dict)
    for index, row in enumerate(rows):
        for group in row.groups[grouping]:
            first[group].setdefault(row.prompt, index)
    chosen: dict[int, set[str]] = defaultdict(set)
    for group, indices in first.items():
        for prompt in spread([_candidate(rows[index]) for index in indices.values()], limit):
            chosen[indices[prompt]].add(group)
    return [_kept(rows[index], grouping, chosen[index]) for index in sorted(chosen)]


def limited(prompts: PromptSet, limit: int | None) -> PromptSet:
    """Return what a setting with this limit traces: at most so many prompts in each of the main groups.

    As a study with that limit would have it; a study whose own limit is no greater keeps all its prompts.
    """
    if limit is None or (prompts.pilot is not None and prompts.pilot <= limit):
        return prompts
    rows = pilot_rows(prompts.rows, prompts.groupings[0], limit)
    return replace(prompts, rows=tuple(rows), pilot=limit)


def spread(candidates: Collection[Candidate], limit: int) -> list[int]:
    """Return at most `limit` prompts in an order of which every beginning is spread evenly.

    Each step takes a prompt of a term that was taken least often, among those one whose template was taken
    least often, and among those the next on the diagonals of the grid terms × templates. Where every term
    has every template, no two terms and no two templates ever differ by more than one. The order depends on
    the set of candidates alone: terms and templates are ranked by hash, not by their place in the file.
    """
    waiting = _by_template(candidates)
    n_term: Counter[str] = Counter()
    n_template: Counter[str] = Counter()

    def key(template: str) -> tuple[int, int, int, int, str]:
        heap = waiting[template]
        # Counts only grow, so a stale first entry is too small and is put back with its present count.
        while (fresh := n_term[heap[0][3]]) != heap[0][0]:
            heapreplace(heap, (fresh, *heap[0][1:]))
        times, diagonal, prompt, _ = heap[0]
        return times, n_template[template], diagonal, prompt, template

    templates = [key(template) for template in waiting]
    heapify(templates)
    order: list[int] = []
    while templates and len(order) < limit:
        template = heappop(templates)[-1]
        present = key(template)
        if templates and present > templates[0]:
            heappush(templates, present)
            continue
        _, _, prompt, term = heappop(waiting[template])
        order.append(prompt)
        n_term[term] += 1
        n_template[template] += 1
        if waiting[template]:
            heappush(templates, key(template))
    return order


def _by_template(candidates: Collection[Candidate]) -> dict[str, list[tuple[int, int, int, str]]]:
    """Return template → heap of (times its term was taken, place on the diagonals, prompt, term)."""
    terms = _ranks(candidate.term for candidate in candidates)
    templates = _ranks(candidate.template for candidate in candidates)
    waiting: dict[str, list[tuple[int, int, int, str]]] = defaultdict(list)
    for prompt, term, template in candidates:
        diagonal = _diagonal(terms[term], templates[template], len(terms), len(templates))
        waiting[template].append((0, diagonal, prompt, term))
    for heap in waiting.values():
        heapify(heap)
    return waiting


def _ranks(names: Iterable[str]) -> dict[str, int]:
    ordered = sorted(set(names), key=lambda name: (prompt_id(name), name))
    return {name: rank for rank, name in enumerate(ordered)}


def _diagonal(term: int, template: int, n_terms: int, n_templates: int) -> int:
    """Return when a walk along the diagonals of a torus, one after the other, comes to this cell.

    Step i of diagonal s stands at term i mod n_terms and template (i + s) mod n_templates.
    """
    shared = gcd(n_terms, n_templates)
    diagonal = (template - term) % shared
    turns = n_templates // shared
    ahead = (template - diagonal - term) // shared * pow(n_terms // shared, -1, turns) % turns
    return diagonal * n_terms * turns + term + n_terms * ahead


def _candidate(row: Row) -> Candidate:
    # A row without a term is its own term, as it is its own unit; templates are shared or there are none.
    return Candidate(row.prompt, str(row.prompt) if row.term is None else row.term, row.template or "")


def _kept(row: Row, grouping: str, groups: set[str]) -> Row:
    kept = tuple(group for group in row.groups[grouping] if group in groups)
    return replace(row, groups={**row.groups, grouping: kept})

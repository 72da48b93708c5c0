"""`methods.md`: what was done, in sentences that a paper can take over; citations are pandoc's `[@key]`.

Every number in it is read from the config, the prompts or a trace; none is computed here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from specgap.config import EMBEDDED_PROMPTS, OVERALL, Study
from specgap.prompts import PromptSet
from specgap.report.words import caveats
from specgap.settings import Decoding, PromptFormat, Setting
from specgap.tables.headline import HEADLINE_UNITS
from specgap.tables.membership import groups_in
from specgap.tables.prompts import prompts_by_group
from specgap.trace.done import Done

_SCHEDULES = {
    "constant": "γ stays at {n}",
    "heuristic": "γ starts at {n}, grows by 2 after a round in which every drafted token was accepted, and "
    "otherwise shrinks by 1, to no less than 1",
    "heuristic_transient": "γ starts at {n}, grows by 2 after a round in which every drafted token was "
    "accepted, and otherwise shrinks by 1, to no less than 1; it is forgotten after each prompt",
}

_DEFINITIONS = (
    "A drafted token is *accepted* where verification kept it, *rejected* where it was the first failure of "
    "its round, and *discarded* where it was drafted after that failure; accepted and rejected tokens are "
    "*judged*, discarded ones never are. Below, A, R and D count accepted, rejected and all drafted tokens, "
    "B rounds and E emitted tokens; p and q are the probabilities of the drafted token under target and "
    "draft, in float32, after the processing of logits that verification used.",
    "- `acceptance_rate` is A / (A + R), per judged token.",
    "- `acceptance_rate_prompt_mean` is the mean over prompts of A / (A + R), with the samples of a prompt "
    "summed first and prompts with nothing judged left out and counted; it is the rate by which schedules "
    "are compared.",
    "- `draft_acceptance_rate` is A / D, which servers report; it falls with γ by construction and is never "
    "compared across γ.",
    "- `token_acceptance_ratio` is A / E, and `block_efficiency` is E / B, emitted tokens per call of the "
    "target with the bonus or correction token counted [@leviathan2023].",
    "- `block_efficiency_independent` is (1 − α^(γ+1)) / (1 − α) with α the acceptance rate of a constant "
    "setting without threshold: its block efficiency if acceptance were independent of the draft position "
    "[@leviathan2023, eq. 1].",
    "- `conditional_acceptance` at draft position j is accepted at j / judged at j; `survival` at j is the "
    "share of rounds with at least j accepted tokens.",
    "- `overlap` is Σ min(p(x), q(x)) over the vocabulary at a judged position, which under sampling is the "
    "probability of acceptance there [@leviathan2023; @chen2023]; under greedy decoding another quantity.",
    "- The *likelihood difference* is p − q. The draft is *surer* where q > p, *over-confident* where also "
    "q ≥ {ratio:g} p; `severity` is the mean of (1 − p/q)₊ over judged tokens.",
    "- `gamma_mean` is D / B, and `share_cut` is the share of rounds shortened by the length limit.",
)

_UNITS = (
    "Prompts fall into identity terms × templates. The term, within its group, is the unit of any claim "
    "about a group, since other prompts about the same term are not new evidence about it [@clark1973]; "
    f"groups of fewer than {HEADLINE_UNITS} terms make no headline. A prompt without a term is a unit of its "
    "own."
)


def methods(study: Study, prompts: PromptSet, done: Sequence[Done]) -> str:
    """Return the methods as Markdown. `done` are the finished trace jobs of all cells, in any order."""
    sections = {
        "Models": _models(done),
        "Decoding": _decodings(study),
        "Schedule settings": [_setting(setting) for setting in study.settings],
        "Prompts": _prompts(study, prompts),
        "Definitions": [text.format(ratio=study.over_confident_ratio) for text in _DEFINITIONS],
        "What the numbers do not say": _caveats(study, prompts),
    }
    parts = ["# Methods"]
    for title, texts in sections.items():
        parts += [f"## {title}", *texts]
    return "\n\n".join(parts) + "\n"


# Models ----------------------------------------------------------------------------------------------


def _models(done: Sequence[Done]) -> list[str]:
    facts = {one.cell.pair: one.facts for one in sorted(done, key=lambda one: one.cell.folder)}
    return [_pair(name, fact) for name, fact in facts.items()] + [_collected(done)]


def _pair(name: str, facts: Mapping[str, Any]) -> str:
    length = facts.get("context_length")
    context = f" and a context of {length} tokens" if length else ""
    return (
        f"In the pair {_code(name)} the target p is {_model(facts['target'])}, and the draft q is "
        f"{_model(facts['draft'])}. They share a vocabulary of {facts['vocabulary_size']} tokens{context}. "
        f"{_loading(facts)}"
    )


def _model(facts: Mapping[str, Any]) -> str:
    head = facts.get("head")
    cut = f", its head cut from {head['from']} to {head['to']} rows" if head else ""
    return (
        f"{_code(facts['source'])} ({facts['architecture']}, {facts['n_parameters']} parameters, "
        f"{facts['dtype']}, revision {_code(facts['revision'])}{cut})"
    )


def _loading(facts: Mapping[str, Any]) -> str:
    both = (facts["target"], facts["draft"])
    said = []
    if any(model["trust_remote_code"] for model in both):
        said.append("Code that comes with the models was run.")
    if any(model["allow_pickle"] for model in both):
        said.append("Weights that are not safetensors were allowed.")
    return " ".join(said) or "No code of theirs was run, and weights were read from safetensors only."


def _collected(done: Sequence[Done]) -> str:
    versions = {key: _distinct(one.facts[key] for one in done) for key in ("transformers", "torch")}
    device = _distinct(one.facts["device_name"] for one in done)
    sklearn = any(one.facts["sklearn_importable"] for one in done)
    return (
        f"Traces were collected with Hugging Face transformers {versions['transformers']} [@wolf2020] and "
        f"torch {versions['torch']} on {device}, by its own `generate(assistant_model=…)`, which implements "
        "speculative decoding [@leviathan2023; @chen2023], unmodified, with a recorder made of public hooks. "
        f"scikit-learn was {'' if sklearn else 'not '}importable. The steps from prompts to figures are "
        "chained by Snakemake [@molder2021]."
    )


# Decoding and schedules ------------------------------------------------------------------------------


def _decodings(study: Study) -> list[str]:
    texts = [_decoding(name, one, study.samples_of(name)) for name, one in study.decodings.items()]
    return [*texts, f"{_prompt_format(study.prompt_format)} Draws are seeded with {study.seed}."]


def _decoding(name: str, decoding: Decoding, samples: int) -> str:
    if decoding.mode == "greedy":
        how = "takes the target's likeliest token each time, and verification compares likeliest tokens"
    else:
        warped = [f"temperature {decoding.temperature:g}"]
        warped += [f"top-k {decoding.top_k}"] if decoding.top_k else []
        warped += [f"top-p {decoding.top_p:g}"] if decoding.top_p < 1 else []
        how = f"draws tokens at {', '.join(warped)}, the same for target and draft"
    count = "There is one continuation" if samples == 1 else f"There are {samples} continuations"
    return (
        f"The decoding {_code(name)} is {decoding.mode}: it {how}. {count} of up to "
        f"{decoding.max_new_tokens} new tokens for each prompt."
    )


def _prompt_format(chosen: PromptFormat) -> str:
    if chosen.kind == "raw":
        return "Prompts are given to the models as plain text."
    where = "at the start of the assistant's turn" if chosen.prefill else "in the user's turn"
    system = f", with the system message {_code(chosen.system)}" if chosen.system else ""
    return f"Prompts stand {where} of the target's chat template{system}."


def _setting(setting: Setting) -> str:
    schedule = _SCHEDULES[setting.schedule].format(n=setting.num_assistant_tokens)
    if setting.confidence_threshold:
        stop = f"drafting stops after a token with q below {setting.confidence_threshold:g}"
    else:
        stop = "no confidence threshold stops the draft"
    carried = (
        "γ is carried from prompt to prompt" if setting.carry_state else "γ starts anew for every prompt"
    )
    return f"- {_code(setting.name)}: {schedule}; {stop}; {carried}."


# Prompts ---------------------------------------------------------------------------------------------


def _prompts(study: Study, prompts: PromptSet) -> list[str]:
    [everything] = groups_in(prompts, OVERALL)
    source = _source(study)
    texts = [f"The study has {everything.n_prompts} distinct prompts, {source}. {_UNITS}"]
    if prompts.pilot is not None:
        texts.append(f"It is a pilot of at most {prompts.pilot} prompts per group.")
    texts.append(_table(prompts))
    texts += [f"- {_plain(notice)}" for notice in prompts.notices]
    return texts


def _source(study: Study) -> str:
    chosen = study.prompts
    if chosen.fetch == "honest":
        return "those of HONEST [@nozza2021; @nozza2022]"
    if chosen.dataset:
        revision = f", revision {_code(chosen.revision)}" if chosen.revision else ""
        return f"from the dataset {_code(chosen.dataset)} (split {_code(chosen.split)}{revision})"
    files = ", ".join(_code(file) for file in chosen.files or ())
    if chosen.files == [EMBEDDED_PROMPTS]:
        return (
            f"sentences of the repository's own ({files}) in groups that bear the names of HONEST's "
            "[@nozza2021; @nozza2022]"
        )
    return f"from {files}"


def _table(prompts: PromptSet) -> str:
    columns = ("grouping", "group", "n_prompts", "n_terms", "n_templates", "note")
    lines = [f"| {' | '.join(columns)} |", f"|{'|'.join(' --- ' for _ in columns)}|"]
    for row in prompts_by_group(prompts).to_dict("records"):
        cells = ("" if row[name] is None else _plain(str(row[name])) for name in columns)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _caveats(study: Study, prompts: PromptSet) -> list[str]:
    groups = groups_in(prompts, prompts.groupings[0])
    said = caveats(
        demo_pairs=[_plain(pair) for pair in study.pairs if study.trains(study.pairs[pair].target)],
        one_term_groups=[_plain(group.name) for group in groups if group.has_terms and group.n_units == 1],
        modes=[decoding.mode for decoding in study.decodings.values()],
        pilot=prompts.pilot,
    )
    return [f"- {sentence}" for sentence in said]


# Text ------------------------------------------------------------------------------------------------


def _distinct(values: Iterable[Any]) -> str:
    return " and ".join(sorted({str(value) for value in values})) or "an unknown version"


def _plain(text: str) -> str:
    """Return `text` such that Markdown shows it as it is, on one line."""
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return re.sub(r"([\\`*_{}\[\]<>#|~@$^])", r"\\\1", visible)


def _code(text: str) -> str:
    """Return `text` as a code span, whatever backticks it holds."""
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    fence = "`" * (max(map(len, re.findall("`+", visible)), default=0) + 1)
    return f"{fence}{visible}{fence}" if fence == "`" else f"{fence} {visible} {fence}"

"""`methods.md`: what was done, in sentences that a paper can take over; citations are pandoc's `[@key]`.

Every number in it is read from the config, the prompts or a trace; none is computed here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from specgap.config import EMBEDDED_PROMPTS, OVERALL, Study
from specgap.layout import compared_cells
from specgap.prompts import PromptSet, recorded_commit
from specgap.report.prose import (
    COLLECTORS,
    DEFINITIONS,
    INFERENCE,
    PAIRED,
    PROMPTS_AS_UNITS,
    SCHEDULES,
    TAILS,
    TOKEN_DEFINITIONS,
    TOKEN_INFERENCE,
    UNITS,
)
from specgap.report.words import caveats
from specgap.settings import Decoding, PromptFormat, Setting
from specgap.tables.membership import groups_in
from specgap.tables.prompts import prompts_by_group
from specgap.trace.done import Done


def methods(study: Study, prompts: PromptSet, done: Sequence[Done]) -> str:
    """Return the methods as Markdown. `done` are the finished trace jobs of all cells, in any order."""
    counts = study.collector == "counts"
    sections = {
        **(_served(study) if counts else _traced(study, done)),
        "Prompts": _prompts(study, prompts),
        "Definitions": [
            text.format(ratio=study.over_confident_ratio, cost=_cost(study))
            for text in (DEFINITIONS if counts else (*DEFINITIONS, *TOKEN_DEFINITIONS))
        ],
        "Comparing groups": [
            text.format(permutations=study.statistics.permutations, prior=study.statistics.token_prior)
            for text in (INFERENCE if counts else (*INFERENCE, *TOKEN_INFERENCE))
        ]
        + ([PAIRED] if compared_cells(study) else []),
        "What the numbers do not say": _caveats(study, prompts),
    }
    parts = ["# Methods"]
    for title, texts in sections.items():
        parts += [f"## {title}", *texts]
    return "\n\n".join(parts) + "\n"


def _served(study: Study) -> dict[str, list[str]]:
    """Say where counts come from that specgap was given: of models and decoding no more is known."""
    [decoding] = study.decodings.values()
    pairs = [
        f"In the pair {_code(name)} the target is {_code(pair.target.name)}, and the draft is "
        f"{_code(pair.draft.name)}; their counts were read from {_code(pair.counts or '')}."
        for name, pair in study.pairs.items()
    ]
    how = (
        "Accepted and judged tokens, rounds and emitted tokens of each prompt were counted by the server "
        f"that ran the models, under {decoding.mode} decoding; specgap ran none. The steps from counts to "
        "figures are chained by Snakemake [@molder2021]."
    )
    return {"Counts": [*pairs, how]}


def _traced(study: Study, done: Sequence[Done]) -> dict[str, list[str]]:
    return {
        "Models": _models(study, done),
        "Decoding": _decodings(study),
        "Schedule settings": [_setting(study, setting) for setting in study.settings],
    }


# Models ----------------------------------------------------------------------------------------------


def _models(study: Study, done: Sequence[Done]) -> list[str]:
    facts = {one.cell.pair: one.facts for one in sorted(done, key=lambda one: one.cell.folder)}
    return [_pair(name, fact) for name, fact in facts.items()] + [_collected(study, done)]


def _pair(name: str, facts: Mapping[str, Any]) -> str:
    length = facts.get("context_length")
    context = f" and a context of {length} tokens" if length else ""
    return (
        f"In the pair {_code(name)} the target p is {_model(facts['target'])}, and the draft q is "
        f"{_model(facts['draft'])}. They share a vocabulary of {facts['vocabulary_size']} tokens{context}. "
        f"{_loading(facts)}{_end_taken_off(facts)}"
    )


def _end_taken_off(facts: Mapping[str, Any]) -> str:
    end = facts["end_taken_off"]
    if end is None:
        return ""
    return (
        f" The target's tokenizer puts {_code(end)}, an end of text, after every text; it was taken off the "
        "prompts, which the models had to continue."
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


def _collected(study: Study, done: Sequence[Done]) -> str:
    versions = {key: distinct(one.facts[key] for one in done) for key in ("transformers", "torch")}
    device = distinct(one.facts["device_name"] for one in done)
    sklearn = any(one.facts["sklearn_importable"] for one in done)
    used = {study.collector_of(setting) for setting in study.settings}
    how = [text.format(tails=TAILS[study.tails]) for name, text in COLLECTORS.items() if name in used]
    return (
        f"Models were run with Hugging Face transformers {versions['transformers']} [@wolf2020] and torch "
        f"{versions['torch']} on {device}; scikit-learn was {'' if sklearn else 'not '}importable. "
        f"{' '.join(how)} The steps from prompts to figures are chained by Snakemake [@molder2021]."
    )


def _cost(study: Study) -> str:
    if study.cost_ratio is not None:
        return f"{study.cost_ratio:g}, as the config says"
    if study.collector == "counts":
        return "not given, so there is no modelled speed-up"
    return "the draft's number of parameters / the target's, embeddings included"


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


def _setting(study: Study, setting: Setting) -> str:
    schedule = SCHEDULES[setting.schedule].format(n=setting.num_assistant_tokens)
    if setting.confidence_threshold:
        stop = f"drafting stops after a token with q below {setting.confidence_threshold:g}"
    else:
        stop = "no confidence threshold stops the draft"
    carried = (
        "γ is carried from prompt to prompt" if setting.carry_state else "γ starts anew for every prompt"
    )
    parts = [schedule, stop, carried, study.collector_of(setting)]
    if setting.limit is not None:
        parts.append(f"on at most {setting.limit} prompts per group")
    return f"- {_code(setting.name)}: {'; '.join(parts)}."


# Prompts ---------------------------------------------------------------------------------------------


def _prompts(study: Study, prompts: PromptSet) -> list[str]:
    [everything] = groups_in(prompts, OVERALL)
    source, units = _source(study), UNITS if prompts.unit else PROMPTS_AS_UNITS
    texts = [f"The study has {everything.n_prompts} distinct prompts, {source}. {units}"]
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
        found = recorded_commit(study) or chosen.revision
        revision = f", revision {_code(found)}" if found else ""
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
        modes=[one.mode for one in study.decodings.values()] if study.collector != "counts" else [],
        pilot=prompts.pilot,
        partial=study.partial,
    )
    return [f"- {sentence}" for sentence in said]


# Text ------------------------------------------------------------------------------------------------


def distinct(values: Iterable[Any]) -> str:
    """Return the different values in words, sorted.

    >>> distinct(["5.23", "5.18", "5.23"])
    '5.18 and 5.23'
    """
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

"""The report, the methods and the references of a finished study."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from specgap.config import Study
from specgap.figures.cells import cell_facts
from specgap.figures.plan import index_name
from specgap.files import write_text
from specgap.layout import compared_cells, drawn_cells, kind_folder
from specgap.prompts import PromptSet
from specgap.report.methods import distinct, methods
from specgap.report.page import CellPart, StudyFacts, write_page
from specgap.report.references import references
from specgap.tables.cost import cost_ratio
from specgap.tables.names import tables_of, without_tokens
from specgap.trace.done import Done, read_done


def write_report(study: Study, prompts: PromptSet, done_files: Iterable[Path]) -> None:
    """Write `report.html`, `methods.md` and `references.bib` into the results folder, each whole."""
    results = Path(study.results)
    done = [read_done(path) for path in done_files]
    write_text(results / "methods.md", methods(study, prompts, done))
    write_text(results / "references.bib", references())
    write_page(results / "report.html", _study_facts(study, prompts, done), _cells(study, prompts))


def _study_facts(study: Study, prompts: PromptSet, done: Sequence[Done]) -> StudyFacts:
    of_pair = {pair: [one for one in done if one.cell.pair == pair] for pair in study.pairs}
    return StudyFacts(
        title="Does speculative decoding serve every group equally?",
        facts={
            "prompts": f"{len(prompts.distinct):,} distinct, from {_source(study)}",
            "groupings": ", ".join(prompts.groupings),
            **({} if study.collector == "counts" else _collected(study, done)),
            "seed": str(study.seed),
            "collector": ", ".join(dict.fromkeys(map(study.collector_of, study.settings))),
        },
        pairs={pair: _pair_facts(study, pair, of) for pair, of in of_pair.items()},
        prompts_table=Path(study.results) / "study/tables/prompts.csv",
        demo_pairs=[name for name, pair in study.pairs.items() if study.trains(pair.target)],
        notices=[*prompts.notices, *without_tokens(study)],
        has_tokens=study.collector != "counts",
    )


def _source(study: Study) -> str:
    if study.prompts.fetch:
        return "HONEST"
    return study.prompts.dataset or ", ".join(study.prompts.files or [])


def _collected(study: Study, done: Sequence[Done]) -> dict[str, str]:
    return {
        "continuations per prompt": f"{study.samples} sampled, 1 greedy",
        **{name: distinct(one.facts[name] for one in done) for name in ("transformers", "torch")},
    }


def _pair_facts(study: Study, name: str, done: Sequence[Done]) -> dict[str, str]:
    """Return what a pair's jobs say of it; several values where jobs ran with different ones."""
    pair = study.pairs[name]
    if pair.counts:
        return {"target": pair.target.name, "draft": pair.draft.name, "counts": pair.counts}
    facts = {}
    for role in ("target", "draft"):
        models = [one.facts[role] for one in done]
        facts[role] = distinct(
            f"{m['source']} at {m['revision']}, {m['dtype']}, {m['weights']}" for m in models
        )
        facts[f"{role} parameters"] = distinct(f"{m['n_parameters']:,}" for m in models)
    return {
        **facts,
        "cost of a draft call": distinct(f"{cost_ratio(study, one.facts):.4g} target calls" for one in done),
        "vocabulary": distinct(f"{one.facts['vocabulary_size']:,}" for one in done),
        "device": distinct(one.facts["device_name"] for one in done),
    }


def _cells(study: Study, prompts: PromptSet) -> list[CellPart]:
    results = Path(study.results)
    return [
        CellPart(
            facts=cell_facts(study, cell, prompts),
            index=kind_folder(results, "figures", cell) / index_name(study, cell),
            tables=kind_folder(results, "tables", cell),
            table_names=tables_of(study, cell),
        )
        for cell in [*drawn_cells(study), *compared_cells(study)]
    ]

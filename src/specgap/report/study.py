"""The report, the methods and the references of a finished study."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from specgap.config import Study
from specgap.figures.cells import cell_facts
from specgap.files import write_text
from specgap.layout import drawn_cells
from specgap.prompts import PromptSet
from specgap.report.methods import methods
from specgap.report.page import CellPart, StudyFacts, write_page
from specgap.report.references import references
from specgap.trace.done import Done, read_done


def write_report(study: Study, prompts: PromptSet, done_files: Iterable[Path]) -> None:
    """Write `report.html`, `methods.md` and `references.bib` into the results folder, each whole."""
    results = Path(study.results)
    done = [read_done(path) for path in done_files]
    write_text(results / "methods.md", methods(study, prompts, done))
    write_text(results / "references.bib", references())
    write_page(results / "report.html", _study_facts(study, prompts, done), _cells(study, prompts))


def _study_facts(study: Study, prompts: PromptSet, done: Sequence[Done]) -> StudyFacts:
    of_pair = {one.cell.pair: one for one in done}
    first = done[0].facts
    return StudyFacts(
        title="Does speculative decoding serve every group equally?",
        facts={
            "prompts": f"{len(prompts.distinct):,} distinct, from {_source(study)}",
            "groupings": ", ".join(prompts.groupings),
            "continuations per prompt": f"{study.samples} sampled, 1 greedy",
            "seed": str(study.seed),
            "transformers": str(first["transformers"]),
            "torch": str(first["torch"]),
        },
        pairs={pair: _pair_facts(one) for pair, one in of_pair.items()},
        prompts_table=Path(study.results) / "study/tables/prompts.csv",
        demo_pairs=[name for name, pair in study.pairs.items() if study.trains(pair.target)],
        notices=prompts.notices,
    )


def _source(study: Study) -> str:
    if study.prompts.fetch:
        return "HONEST"
    return study.prompts.dataset or ", ".join(study.prompts.files or [])


def _pair_facts(done: Done) -> dict[str, str]:
    facts = {}
    for role in ("target", "draft"):
        model = done.facts[role]
        facts[role] = f"{model['source']} at {model['revision']}, {model['dtype']}, {model['weights']}"
        facts[f"{role} parameters"] = f"{model['n_parameters']:,}"
    return {
        **facts,
        "vocabulary": f"{done.facts['vocabulary_size']:,}",
        "device": str(done.facts["device_name"]),
    }


def _cells(study: Study, prompts: PromptSet) -> list[CellPart]:
    results = Path(study.results)
    return [
        CellPart(
            facts=cell_facts(study, cell, prompts),
            figures=results / "figures" / cell.folder,
            tables=results / "tables" / cell.folder,
        )
        for cell in drawn_cells(study)
    ]

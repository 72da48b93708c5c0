"""Tiny traces: a study over a random pair, and a slow reference for every probability that a trace holds."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from specgap.config import Study, parse
from specgap.layout import Cell, Job, done_file, plan_jobs
from specgap.models import ReadyPair, ready_pair
from specgap.prompts import prompt_id
from specgap.schema import Verdict
from specgap.settings import Decoding, Pair, Setting
from specgap.trace import collect_job, verified_files
from specgap.trace.assisted import Assisted
from specgap.trace.ledger import tabulate
from specgap.trace.shards import METADATA_KEY, write_shard

#: Words of `tiny_models.word_tokenizer`, so that a prompt's tokens are seen in its text.
TEXTS = ("w5 w6 w7", "w8 w9", "w10 w11 w12 w13", "w14", "w15 w16", "w17 w18 w19", "w20 w21")


def load(pair: Pair, **changes: Any) -> ReadyPair:
    """Load a pair on the CPU, with fields of the `ReadyPair` replaced."""
    torch.set_num_threads(1)
    return dataclasses.replace(ready_pair(pair, device="cpu", gpu_given=False), **changes)


def tiny_study(pair: Pair, *settings: Mapping[str, Any], **keys: Any) -> Study:
    """Return a study over one pair named `tiny` with a decoding named `sampled` of 16 tokens."""
    blocks = {
        "collector": "assisted",
        "pairs": {"tiny": pair.model_dump()},
        "device": "cpu",
        "decodings": {"sampled": {"max_new_tokens": 16}},
        "shards": {"number": 3, "per_job": 2},
        "settings": [dict(setting) for setting in settings],
    }
    return parse(blocks | keys, source="tiny.yaml")


def prompts(texts: Iterable[str] = TEXTS) -> dict[int, str]:
    """Return prompt id to text, in listed order."""
    return {prompt_id(text): text for text in texts}


def trace_cell(study: Study, setting: str, texts: Mapping[int, str], results: Path) -> "Traced":
    """Run every job of the cell (tiny, sampled, `setting`)."""
    cell = Cell("tiny", "sampled", setting)
    jobs = plan_jobs(study, "sampled", setting, list(texts))
    traced = Traced(results, cell, jobs, [])
    for job in jobs:
        collect_job(study, cell, job, texts, results=results, log=traced.lines.append)
    return traced


@dataclasses.dataclass(frozen=True)
class Traced:
    """What `trace_cell` left on disk, and what it said."""

    results: Path
    cell: Cell
    jobs: list[Job]
    lines: list[str]

    @property
    def done_files(self) -> list[Path]:
        return [done_file(self.results, self.cell, job.name) for job in self.jobs]

    def table(self, kind: str) -> pa.Table:
        """Read a kind's rows of all shards."""
        return pa.concat_tables(
            pq.read_table(path).replace_schema_metadata(None)
            for path in verified_files(self.results, self.done_files, kind)
        )

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Return a kind's rows in an order that knows no shard; a NaN equals a NaN."""
        rows = self.table(kind).to_pylist()
        for row in rows:
            row |= {key: "NaN" for key, value in row.items() if value != value}
        return sorted(
            rows, key=lambda row: (row["sample"], row["prompt"], row["round"], row.get("position", 0))
        )

    def metadata(self) -> dict[str, Any]:
        """Return what stands in the metadata of the first shard's `traces`."""
        path = verified_files(self.results, self.done_files, "traces")[0]
        return dict(json.loads(pq.read_metadata(path).metadata[METADATA_KEY]))

    def exact_bytes(self) -> dict[str, bytes]:
        """Return all files that must not differ between two runs."""
        return {
            str(path.relative_to(self.results)): path.read_bytes()
            for kind in ("traces", "rounds")
            for path in sorted((self.results / kind).rglob("*"))
            if path.is_file()
        }


def record(
    pair: ReadyPair,
    decoding: Decoding,
    setting: Setting,
    prompt_ids: Sequence[Sequence[int]],
    folder: Path,
    *,
    order: Sequence[int] | None = None,
    samples: int = 1,
) -> tuple[pa.Table, pa.Table]:
    """Trace prompts, numbered from 0 and seeded so; return `traces` and `rounds` as read from their files.

    With an `order` of the prompts γ goes from one to the next, and from sample to sample.
    """
    gamma = setting.num_assistant_tokens
    parts: dict[str, list[Any]] = {"traces": [], "rounds": [], "timings": []}
    with Assisted(pair, decoding, setting) as assisted:
        for sample, number in product(range(samples), order or range(len(prompt_ids))):
            gamma = gamma if order else setting.num_assistant_tokens
            recording = assisted.record(prompt_ids[number], seed=number, gamma=gamma)
            tables, gamma = tabulate(
                recording,
                prompt=number,
                sample=sample,
                setting=setting,
                gamma=gamma,
                max_new_tokens=decoding.max_new_tokens,
                eos_token_ids=pair.eos_token_ids,
            )
            assisted.check_gamma(gamma)
            for kind, columns in tables.items():
                parts[kind].append(columns)
    cell = Cell("tiny", "mode", setting.name)
    write_shard(folder, cell, "one", parts, {"fingerprint": ""})
    read = [pq.read_table(folder / kind / cell.folder / "one.parquet") for kind in ("traces", "rounds")]
    return read[0], read[1]


class Reference:
    """One forward per token, without a cache, and warpers in plain NumPy."""

    def __init__(self, pair: ReadyPair, decoding: Decoding) -> None:
        self._pair, self._decoding = pair, decoding
        self._known: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}

    def probabilities(self, role: str, context: Sequence[int]) -> np.ndarray:
        """Return the processed next-token probabilities, float64 (vocabulary,), after a context."""
        key = (role, tuple(context))
        if key not in self._known:
            model = getattr(self._pair, role)
            with torch.no_grad():
                logits = model(torch.tensor([list(context)]), use_cache=False).logits[0, -1]
            self._known[key] = _warped(logits.double().numpy(), self._decoding)
        return self._known[key]

    def rows(
        self, prompt_ids: Sequence[int], traces: pa.Table, emitted: Sequence[int]
    ) -> dict[str, np.ndarray]:
        """Return p, q, overlap, entropy of a prompt's drafted tokens; the last two NaN where discarded."""
        found: dict[str, list[float]] = {"p": [], "q": [], "overlap": [], "entropy": []}
        drafted: list[int] = []
        for row in traces.to_pylist():
            drafted = [] if row["position"] == 1 else drafted
            context = [*prompt_ids, *emitted[: row["offset"] - len(drafted)], *drafted]
            p, q = (self.probabilities(role, context) for role in ("target", "draft"))
            judged = row["verdict"] != Verdict.DISCARDED
            positive = p[p > 0]
            found["p"].append(p[row["token"]])
            found["q"].append(q[row["token"]])
            found["overlap"].append(np.minimum(p, q).sum() if judged else np.nan)
            found["entropy"].append(-(positive * np.log(positive)).sum() if judged else np.nan)
            drafted.append(row["token"])
        return {name: np.array(values) for name, values in found.items()}


def _warped(logits: np.ndarray, decoding: Decoding) -> np.ndarray:
    logits = logits / decoding.temperature
    if decoding.top_k:
        logits = np.where(logits < np.sort(logits)[-decoding.top_k], -np.inf, logits)
    p = np.exp(logits - logits.max())
    p /= p.sum()
    if decoding.top_p < 1:
        order = np.argsort(-p, kind="stable")
        before = np.cumsum(p[order]) - p[order]
        p[order[before >= decoding.top_p]] = 0
        p /= p.sum()
    return p

"""A tiny study whose steps are those of the rules: their commands are read from a dry run."""

import hashlib
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.server import Ending, Order, Server
from tests.support.sandbox import Sandbox, make_sandbox
from tests.support.tiny_models import gpt2_shaped_pair
from tests.workflow.conftest import PROMPTS, write_prompts

#: One cell of each collector; the first keeps records and has figures, the second is only counted.
STUDY: dict[str, object] = {
    "prompts": "prompts.csv",
    "groupings": ["group"],
    "pairs": {"tiny": {"target": "./models/target", "draft": "./models/draft"}},
    "decodings": {"sampled": {"max_new_tokens": 10}},
    "settings": [
        {"schedule": "heuristic", "num_assistant_tokens": 3},
        {"schedule": "constant", "num_assistant_tokens": 4},
        {"schedule": "heuristic", "num_assistant_tokens": 3, "collector": "assisted"},
        {"schedule": "constant", "num_assistant_tokens": 4, "collector": "batched"},
    ],
    "shards": {"number": 4, "per_job": 4},
    "aggregate": {"jobs": 1},
    "figures": {"settings": ["heuristic-3"]},
}
#: Figures of each scope; a process draws them one after the other, so that more of them would show no more.
_FIGURES = ("likelihood_difference", "forest", "schedule_sweep", "order_effect")
#: How names of scripts begin, in the order of a run: a dry run lists the jobs of a group by name.
_STAGES = (
    "prepare",
    "measure",
    "collect",
    "replay_records",
    "replay",
    "aggregate",
    "tabulate",
    "draw",
    "write",
)
#: Kinds whose bytes are measured times, and files that say nothing.
_NOT_COMPARED = re.compile(r"(^|/)(timings|logs)/|\.lock$")


@dataclass(frozen=True)
class Step:
    """One job: a name (its script, and its setting where it has one), its command, and what it made."""

    name: str
    command: tuple[str, ...]
    made: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A study in a folder, with its steps in an order in which they can run."""

    sandbox: Sandbox
    steps: dict[str, Step]

    @property
    def results(self) -> Path:
        return self.sandbox.results

    def copied(self, folder: Path) -> "Study":
        """Return a whole copy of this study, to be broken."""
        shutil.copytree(self.sandbox.folder, folder, symlinks=True)
        return Study(Sandbox(folder), self.steps)

    def one_of_each_script(self) -> list[str]:
        """Return a step for each script, the last that calls it."""
        return [*{name.split()[0]: name for name in self.steps}.values()]

    def order(self, step: str, **more: object) -> Order:
        return Order(self.steps[step].command, str(self.sandbox.folder), **more)  # type: ignore[arg-type]

    def undo(self, step: str) -> None:
        """Take away what a step made."""
        for name in self.steps[step].made:
            (self.results / name).unlink(missing_ok=True)

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of every file whose bytes must not differ from run to run."""
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in self._files()}

    def partial(self) -> list[str]:
        """Return the temporary files that killed steps have left."""
        return [name for name, _ in self._files() if name.endswith(".part")]

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Return inode and time of every file that is compared, which change when it is written again."""
        return {name: (path.stat().st_ino, path.stat().st_mtime_ns) for name, path in self._files()}

    def finished(self, step: str) -> set[str]:
        """Return the files of a step's shards that are whole: no later run may lose them."""
        if not step.startswith("collect_"):
            return set()  # records of replayed settings are made anew from paths, without a model
        made = {name for name in self.steps[step].made if (self.results / name).is_file()}
        sidecars = {name for name in made if name.endswith(".json") and "/s000-p" in name}
        # Of a shard with times, the sidecar beside the first kind is written last.
        first = {name for name in sidecars if not name.startswith("timings/")}
        shards = {name.rsplit("/", 1)[1].removesuffix(".json") for name in first}
        return {name for name in made if name.endswith(".parquet") and Path(name).stem in shards}

    def _files(self) -> Iterator[tuple[str, Path]]:
        for path in sorted(self.results.rglob("*")):
            name = path.relative_to(self.results).as_posix()
            if path.is_file() and not _NOT_COMPARED.search(name):
                yield name, path


def prepared(folder: Path) -> Sandbox:
    """Return a sandbox with the study's models, prompts, config and few figures, of which nothing has run."""
    sandbox = make_sandbox(folder)
    gpt2_shaped_pair(folder / "models")
    write_prompts(folder / "prompts.csv", PROMPTS)
    sandbox.write_config(**STUDY)
    sandbox.draw_few(_FIGURES)
    return sandbox


def make_study(folder: Path, server: Server) -> Study:
    """Make the study in `folder`, undisturbed, step by step."""
    sandbox = prepared(folder)
    _start(sandbox)
    steps: dict[str, Step] = {}
    study = Study(sandbox, steps)
    for name, command in commands(sandbox).items():
        before = study.stamps()
        ending = server.run(Order(command, str(folder)))
        assert ending.code == 0, ending.output
        after = {file for file, stamp in study.stamps().items() if before.get(file) != stamp}
        steps[name] = Step(name, command, tuple(sorted(after)))
    return study


def remake(study: Study, server: Server, *steps: str) -> None:
    """Run these steps, all of which must end well."""
    for step in steps:
        ending = server.run(study.order(step))
        assert ending.code == 0, ending.output


def _start(sandbox: Sandbox) -> None:
    run = sandbox.run(
        *("python", "-c"),
        "from pathlib import Path; from specgap import check, config;"
        "check.start_results(config.load(Path('study.yaml')), Path('results/study/config.json'))",
    )
    assert run.code == 0, run.output


def commands(sandbox: Sandbox) -> dict[str, tuple[str, ...]]:
    """Return the command of every script that a whole run calls, in order, by a name that says which."""
    run = sandbox.snakemake("--dry-run", "--forceall", "--printshellcmds")
    assert run.code == 0, run.output
    found: dict[str, tuple[str, ...]] = {}
    for called in re.findall(r"specgap (\w+\.py .*?) 2> ", run.output):
        command = tuple(shlex.split(f"scripts/{called}"))
        script = Path(command[0]).stem
        which = next((part for part in command[1:] if re.fullmatch(r"(heuristic|constant)-.*|all", part)), "")
        name = f"{script} {which}".strip()
        assert name not in found, f"{name} stands twice: {found[name]} and {command}"
        found[name] = command
    assert found, run.output  # a test of every step would have none to fail at

    def stage(name: str) -> int:
        return next(number for number, begin in enumerate(_STAGES) if name.startswith(begin))

    return {name: found[name] for name in sorted(found, key=stage)}


def ends_in_one_sentence(ending: Ending, *words: str) -> str:
    """Return the sentence a step ended with, which must hold these words."""
    for word in words:
        assert word in ending.sentence, ending.sentence
    return ending.sentence

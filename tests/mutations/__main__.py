"""`python -m tests.mutations`: plant the faults, run the tests, write `tests/mutations.md`.

`--draw` draws the sample of `drawn.yaml` anew. A campaign that is interrupted goes on where it was.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

from tests.mutations import drawn, pytest_child
from tests.mutations.campaign import Bench, Limits, Result
from tests.mutations.fault import DRAWN, NOTES, Fault, all_faults, write_faults
from tests.mutations.page import Row, page
from tests.mutations.rust import Crate
from tests.mutations.tiers import BEFORE, NEW, OLD, Tier
from tests.mutations.trees import ROOT, Tree, clone, full_commit

PAGE = ROOT / "tests/mutations.md"


@dataclass(frozen=True)
class Campaign:
    """What is tried, and where what is known is kept."""

    cache: Path
    commits: dict[str, str]  # old and new
    tiers: tuple[Tier, ...]
    faults: list[Fault]
    limits: Limits

    def commit_of(self, tier: Tier) -> str:
        return self.commits["old" if tier == OLD else "new"]

    def bench(self, tier: Tier, worker: int | None = None) -> Bench:
        """Return the bench of a tier; without a worker's clone, to look at what is known."""
        commit = self.commit_of(tier)
        known = self.cache / commit[:10]
        tree = Tree(known / "none", commit, known) if worker is None else clone(commit, self.cache, worker)
        return Bench(tree, tier, self.limits, Crate(tree, self.cache / f"target-{worker}"))

    def row(self, fault: Fault) -> Row:
        found = {tier.name: self.bench(tier).kept(fault) for tier in (OLD, *NEW)}
        return Row(fault, _implied({name: one for name, one in found.items() if one}))


def _implied(found: dict[str, Result]) -> dict[str, Result]:
    """Return results with those that follow: what a tier catches, the tiers behind it catch as well."""
    for before, behind in pairwise(NEW):
        if before.name in found and found[before.name].state != "survived":
            found[behind.name] = found[before.name]
    return found


def work(campaign: Campaign, worker: int, workers: int) -> None:
    """Try every fault whose turn it is, those in Rust last, and say what came of each."""
    mine = sorted(campaign.faults, key=lambda fault: fault.in_rust)[worker::workers]
    benches = {tier.name: campaign.bench(tier, worker) for tier in campaign.tiers}
    for number, fault in enumerate(mine, 1):
        for name, bench in benches.items():
            row = campaign.row(fault)
            if row.state(name) in ("not tried", "survived"):
                result = bench.result(fault, row.by)
                print(
                    f"{number}/{len(mine)} {name} {fault.key} {result.state} {result.by} {result.seconds}",
                    flush=True,
                )


def _run(campaign: Campaign, workers: int) -> int:
    """Work in so many processes; return how many of them failed."""
    pytest_child.import_libraries()
    children = []
    for worker in range(workers):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(campaign, worker, workers)
                code = 0
            finally:
                sys.stdout.flush()
                os._exit(code)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


def _campaign(options: argparse.Namespace) -> Campaign:
    tiers = tuple(tier for tier in (OLD, *NEW) if options.only in (None, tier.name))
    faults = [fault for fault in all_faults() if fault.key.startswith(options.fault)]
    commits = {"old": full_commit(options.before), "new": full_commit(options.commit)}
    limits = Limits(seconds=options.seconds, chain=options.chain)
    return Campaign(options.cache.resolve(), commits, tiers, faults[: options.sample], limits)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--draw", action="store_true", help="draw the sample of the tools anew, and no more")
    parser.add_argument("--page", action="store_true", help="write the page from what is known, and no more")
    parser.add_argument("--only", choices=[tier.name for tier in (OLD, *NEW)], help="one column of the table")
    parser.add_argument("--jobs", type=int, default=1, help="faults tried at a time")
    parser.add_argument("--sample", type=int, help="so many faults, the first ones")
    parser.add_argument("--fault", default="", help="the faults whose key begins so")
    parser.add_argument("--seconds", type=float, default=Limits.seconds, help="of tests a fault is given")
    parser.add_argument(
        "--chain", type=int, default=Limits.chain, help="files of whole runs that survivors meet"
    )
    parser.add_argument("--before", default=BEFORE, help="the commit that is compared with")
    parser.add_argument("--commit", default="HEAD", help="the commit that is judged")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / ".venv/mutations", help="where what is known is kept"
    )
    return parser.parse_args()


def _draw(options: argparse.Namespace) -> None:
    tree = clone(full_commit(options.before), options.cache.resolve())
    head = f"Drawn by `python -m tests.mutations --draw` at {tree.commit[:7]} with seed {drawn.SEED}."
    write_faults(DRAWN, drawn.draw(tree.folder), head)


def _write_page(campaign: Campaign) -> None:
    rows = [campaign.row(fault) for fault in all_faults()]
    notes = yaml.safe_load(NOTES.read_text(encoding="utf-8")) or {}
    PAGE.write_text(page(rows, campaign.commits, notes), encoding="utf-8")


def main() -> int:
    """Return how many workers failed."""
    options = _options()
    if options.draw:
        _draw(options)
        return 0
    campaign = _campaign(options)
    failed = 0 if options.page else _run(campaign, options.jobs)
    _write_page(campaign)
    return failed


if __name__ == "__main__":
    try:
        code = main()
        sys.stdout.flush()
        os._exit(code)  # extensions complain at length of modules that are frozen for the children
    except drawn.MissingToolError as missing:
        raise SystemExit(f"mutations: {missing}") from None
    except subprocess.CalledProcessError as failed:
        raise SystemExit(f"mutations: {failed.cmd[0]} failed: {failed.stderr}") from None

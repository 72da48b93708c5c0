"""The checked study, and the helpers that rules need to name their files."""

import functools
import hashlib
import json
import os
import shlex
import sys
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

# Snakemake's own environment need not have specgap installed, and a rule's environment neither.
sys.path.insert(0, f"{workflow.basedir}/src")

from specgap import check, prompts as prompt_sets
from specgap.config import OVERALL
from specgap.errors import one_sentence
from specgap.figures import plan as figure_plan
from specgap.figures.spec import load_specs
from specgap.models.folders import folder_of
from specgap.layout import ALL_SETTINGS, Cell, done_file, plan_jobs
from specgap.tables import names as table_names

CONFIG_SOURCE = (
    " and ".join(map(str, workflow.overwrite_configfiles)) or "config/config.yaml"
)

# Everything is refused here, with exit code 2, before any job runs.
with one_sentence():
    STUDY = check.study(config, source=CONFIG_SOURCE)
    FIGURES = load_specs(Path("config/figures.yaml"))

# What the scripts read; written when a run starts, since a rule for it would hide what else has changed: Snakemake
# looks at no params of a job behind one that runs, and `ancient` keeps that one from running it.
CONFIG_FILE = f"{STUDY.results}/study/config.json"

for notice in check.notices(STUDY):
    logger.warning(f"specgap: {notice}")


def _shell_prefix():
    """Let every rule's `python` find specgap, and the extension that a rule builds, in any environment."""
    paths = [
        f"{STUDY.resources_folder}/build/rust_agg",
        f"{workflow.basedir}/src",
        os.environ.get("PYTHONPATH"),
    ]
    prefix = f"set -euo pipefail; export PYTHONPATH={shlex.quote(':'.join(filter(None, paths)))}; "
    if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
        # Without an environment of its own, a rule's `python` is the one that runs Snakemake.
        prefix += f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
    return prefix


shell.prefix(_shell_prefix())


wildcard_constraints:
    pair="[^/]+",
    decoding="[^/]+",
    setting="(?!all/)[^/]+",
    job="[^/]+",
    figure="[^/]+",


@functools.cache
def _load_prompts():
    with one_sentence():
        return prompt_sets.load_prompts(STUDY)


def prompts_are_here():
    """Return whether the prompts can be read now, before any rule has run."""
    return all(file.is_file() for file in prompt_sets.source_files(STUDY))


def study_prompts():
    """Return the prompt set; where its files have yet to be fetched, wait for the rule that does so."""
    if STUDY.prompts.fetch:
        checkpoints.fetch_honest.get()
    elif STUDY.prompts.dataset:
        checkpoints.fetch_dataset.get()
    return _load_prompts()


def prompt_files(wildcards):
    """Return the prompt files for a rule whose params say which texts matter: groups may change at no cost."""
    study_prompts()
    return ancient([str(file) for file in prompt_sets.source_files(STUDY)])


def grouping_names():
    """Return the study's groupings, the main one first."""
    if STUDY.groupings != "auto":
        return [grouping.name for grouping in STUDY.groupings]
    if prompts_are_here():
        return list(_load_prompts().groupings)
    return ["category" if STUDY.prompts.fetch else "group"]


def cell_of(wildcards):
    return Cell(wildcards.pair, wildcards.decoding, wildcards.setting)


def jobs_of(wildcards):
    return plan_jobs(
        STUDY, wildcards.decoding, wildcards.setting, study_prompts().distinct
    )


def done_files(wildcards):
    """Return what says that a cell is traced."""
    cell = cell_of(wildcards)
    return [
        str(done_file(Path(STUDY.results), cell, job.name))
        for job in jobs_of(wildcards)
    ]


def figures_of(decoding, setting, prompts):
    """Return the figures of a cell, or of all settings, by file name without its ending."""
    mode = STUDY.decodings[decoding].mode
    if setting == ALL_SETTINGS:
        return figure_plan.figures_of_settings(FIGURES, mode)
    return figure_plan.figures_of_cell(
        FIGURES, prompts.groups_of(grouping_names()[0]), mode
    )


def fixed(value):
    """Keep a param's braces from being read as wildcards."""
    return lambda wildcards: value


def digest(*parts):
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def sources(*patterns):
    """Return source files as inputs, so that an edit of the code that computes a result computes it anew."""
    return sorted(str(file) for pattern in patterns for file in Path().glob(pattern))


def cells(*, drawn=False):
    """Return all cells, or those that get the full figure set."""
    return [
        Cell(pair, decoding, setting.name)
        for pair in STUDY.pairs
        for decoding in STUDY.decodings
        for setting in (STUDY.figure_settings_of if drawn else STUDY.settings_of)(
            decoding
        )
    ]


def settings_cells():
    """Return the cells over all settings, where there are several to compare."""
    decodings = [
        decoding for decoding in STUDY.decodings if len(STUDY.settings_of(decoding)) > 1
    ]
    return [
        Cell(pair, decoding, ALL_SETTINGS)
        for pair in STUDY.pairs
        for decoding in decodings
    ]

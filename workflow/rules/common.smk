"""The checked study, and the functions by which rules find their files. Decisions live in src/specgap."""

import functools
import itertools
import os
import re
import sys
from pathlib import Path

# Snakemake's own environment need not have specgap installed, and a rule's environment neither.
HOME = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
sys.path.insert(0, str(HOME / "src"))

try:
    import pydantic, yaml
except ModuleNotFoundError as error:
    print(
        f"specgap: Snakemake's own Python has no {error.name}; wanted `pip install pydantic pyyaml` there",
        file=sys.stderr,
    )
    sys.exit(2)

from specgap import check, identity, layout, unfinished
from specgap import prompts as prompt_sets
from specgap.errors import ConfigError, one_sentence
from specgap.figures import plan as figure_plan
from specgap.figures.spec import load_specs, specs_as_json
from specgap.layout import ALL_SETTINGS, Cell, compared_cells, done_file, drawn_cells
from specgap.layout import path_cells, plan_parts, stored_cells, traced_cells
from specgap.models import hub
from specgap.models.folders import folder_of, newest_file
from specgap.tables import names as table_names

CONFIG_SOURCES = list(map(str, workflow.overwrite_configfiles))
if not (CONFIG_SOURCES or IS_MODULE):
    CONFIG_SOURCES = [os.path.relpath(HOME / "config/config.yaml")]
DEMO_FILES = ["config.json", "model.safetensors", "tokenizer.json"]

# Everything is refused here, with exit code 2, before any job runs.
with one_sentence():
    STUDY, PROMPTS = check.study(config, files=CONFIG_SOURCES)  # None while a rule has yet to fetch prompts
    FIGURES = load_specs(HOME / "config/figures.yaml")
    NOTICES = check.notices(STUDY)
    if STUDY.partial:
        WHOLE, STUDY = STUDY, unfinished.narrowed(STUDY)
        NOTICES += unfinished.left_out(WHOLE, STUDY)

# A partial study rests on no file that a running one may yet make: Snakemake's lock would refuse it.
BUILD = f"{STUDY.results if STUDY.partial else STUDY.resources_folder}/build"

# What the scripts read, written when a run starts. It is no output, since Snakemake looks at no params of a job
# behind one that runs and `ancient` keeps that one from running it, so that a new seed would have changed nothing.
CONFIG_FILE = f"{STUDY.results}/study/config.json"


def start():
    check.start_results(STUDY, Path(CONFIG_FILE))


# A workflow that uses this one as a module does not run its `onstart`, and knows of a dry run only later.
if IS_MODULE and not {"-n", "--dry-run", "--dryrun"} & set(sys.argv):
    start()

for notice in NOTICES:
    logger.warning(f"specgap: {notice}")


include: "command.smk"
include: "known_prompts.smk"
include: "files.smk"
include: "compared.smk"
include: "resources.smk"


wildcard_constraints:
    pair="[^/]+",
    decoding="[^/]+",
    setting="(?!all/)[^/]+",
    job="[^/]+",
    part="[^/]+",
    figure="[^/]+",


def grouping_names():
    """Return the study's groupings, the main one first."""
    if STUDY.groupings != "auto":
        return [grouping.name for grouping in STUDY.groupings]
    return list(PROMPTS.groupings) if PROMPTS else ["category" if STUDY.prompts.fetch else "group"]


def model_files(wildcards):
    """Return what a rule makes of a pair; of a folder here, the file written last; of a hub model, its commit.

    Which files a folder has stands in the identity, so that a large study's jobs need not list them all.
    """
    return _files_of_pair(wildcards.pair)


@functools.cache
def _files_of_pair(name):
    pair = STUDY.pairs[name]
    files = []
    for model in pair.models:
        if STUDY.trains(model):
            files += [str(Path(model.source) / name) for name in DEMO_FILES]
        elif folder := folder_of(model):
            files.append(str(newest_file(folder)))
        else:
            files.append(str(hub.record_file(Path(STUDY.resources_folder), model)))
    return files


def cell_of(wildcards):
    return Cell(wildcards.pair, wildcards.decoding, wildcards.setting)


@functools.cache
def jobs_of(decoding, setting=""):
    """Return the jobs of a setting by name; those of paths and tails without one."""
    jobs = layout.jobs_of(STUDY, Cell("", decoding, setting), study_prompts())
    return {job.name: job for job in jobs}


def trace_identity(wildcards):
    job = jobs_of(wildcards.decoding, wildcards.setting)[wildcards.job]
    return identity.trace_identity(STUDY, cell_of(wildcards), job, study_prompts().texts)


def done_files(wildcards):
    """Return what says that a cell is traced."""
    cell = cell_of(wildcards)
    return [str(done_file(Path(STUDY.results), cell, job)) for job in jobs_of(cell.decoding, cell.setting)]


def one_of(names):
    """Return a constraint that these names alone meet."""
    return "|".join(map(re.escape, names)) or "(?!)"


def decodings_of(mode):
    return [name for name, decoding in STUDY.decodings.items() if decoding.mode == mode]


def stored_names(replayed=None):
    """Return a constraint that only settings with records meet; of replayed ones or of real rounds, if said."""
    settings = {cell.setting: STUDY.setting(cell.setting) for cell in stored_cells(STUDY)}
    return one_of(
        name
        for name, setting in settings.items()
        if replayed in (None, STUDY.collector_of(setting) == "replay")
    )


def alike(names):
    """Return a rule's number (none for the first), its names and the decodings that have them.

    A rule's outputs are known from its wildcards alone; where decodings differ in them, each has its own.
    """
    found = {}
    for decoding in STUDY.decodings:
        found.setdefault(tuple(names(decoding)), []).append(decoding)
    found.pop((), None)
    return [(f"_{at}" if at else "", *item) for at, item in enumerate(found.items())]


def limit_of(wildcards):
    return STUDY.setting(wildcards.setting).limit


def output_folder(wildcards, output):
    """Return the folder that all of a rule's files go to."""
    return str(Path(output[0]).parent)


def fixed(value):
    """Keep a param's braces from being read as wildcards."""
    return lambda wildcards: value


def sources(*patterns):
    """Return source files as inputs, so that an edit of the code that computes a result computes it anew."""
    return sorted(os.path.relpath(file) for pattern in patterns for file in HOME.glob(pattern))


TABLE_CODE = sources("src/specgap/tables/*.py", "src/specgap/stats/*.py")

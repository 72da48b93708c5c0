"""The prompts of a study: read, cut at the slot, put into groups, limited to a pilot, stored.

Everything but `prompts_table`, `write_prompts`, `read_prompts` and `fetch_dataset` runs on the standard
library and the config alone, since the workflow imports this at every parse.
"""

from specgap.prompts.columns import group_columns
from specgap.prompts.counts import Served, read_counts
from specgap.prompts.dataset import fetch_dataset
from specgap.prompts.honest import fetch_honest
from specgap.prompts.ids import prompt_id
from specgap.prompts.limit import limited
from specgap.prompts.load import load_prompts
from specgap.prompts.promptset import PromptSet, Row
from specgap.prompts.sources import dataset_file, needs_fetch, origin_file, recorded_commit, source_files
from specgap.prompts.storage import prompts_table, read_prompts, write_prompts

__all__ = [
    "PromptSet",
    "Row",
    "Served",
    "dataset_file",
    "fetch_dataset",
    "fetch_honest",
    "group_columns",
    "limited",
    "load_prompts",
    "needs_fetch",
    "origin_file",
    "prompt_id",
    "prompts_table",
    "read_counts",
    "read_prompts",
    "recorded_commit",
    "source_files",
    "write_prompts",
]

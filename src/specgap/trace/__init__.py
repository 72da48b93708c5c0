"""Traces: collected from a pair of models, stored in shards, read back only where whole.

Reading needs no torch; `collect_job` loads it when it is called for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from specgap.trace.done import Done, DoneShard, ShardFile, read_done, verified_files
from specgap.trace.rebuild import rebuild

if TYPE_CHECKING:
    from specgap.trace.collect import collect_job

__all__ = ["Done", "DoneShard", "ShardFile", "collect_job", "read_done", "rebuild", "verified_files"]


def __getattr__(name: str) -> Any:
    if name != "collect_job":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.collect").collect_job

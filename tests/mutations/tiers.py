"""What is tried, on which commit, and what the columns of the table are called."""

from dataclasses import dataclass

#: The last commit before the suite was divided.
BEFORE = "88b6984"


@dataclass(frozen=True)
class Tier:
    """Tests that run together: how pytest selects them."""

    name: str
    heading: str
    arguments: tuple[str, ...]


#: Of the old commit: all that `make test` ran then; what else `.ci/run` ran had targets of its own.
OLD = Tier("before", "before", ("-m", "not (conda or faults or cluster)"))
#: Of the commit that is judged, from the quickest on. A fault caught by one is caught by those behind it.
NEW = (
    Tier("test", "`make test`", ()),
    Tier("ci", "`.ci/run`", ("-m", "not (full or conda or faults or cluster)")),
)
#: Tests of child processes, which coverage cannot see: survivors of the others meet them, the cheapest first.
CHAIN = (
    "tests/workflow/test_original_study.py",
    "tests/workflow/test_tiny_study.py",
    "tests/workflow/test_what_reruns.py",
    "tests/workflow/test_bad_input.py",
    "tests/workflow/test_counts.py",
    "tests/workflow/test_partial.py",
    "tests/workflow/test_bundle.py",
    "tests/workflow/test_module.py",
    "tests/workflow/test_hostile_names.py",
    "tests/workflow/test_prefetch.py",
    "tests/faults",
    "tests/conda",
)
#: Tests of the extension from Python, for faults in Rust that `cargo test` lets through.
OF_RUST = ("rust_agg", "replay", "aggregate", "tests/property/")
#: Tests that compile the crate themselves: `cargo test` has done so already.
COMPILES = ("test_rust_agg_alone.py",)

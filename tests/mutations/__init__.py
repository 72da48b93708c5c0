"""Which planted faults the tests catch: `python -m tests.mutations` makes `tests/mutations.md`.

Faults are data, each a text that stands once in a file and the text put in its place: `drawn.yaml` holds a
random sample of what mutmut (src) and cargo-mutants (rust_agg) make, `by_hand.yaml` those to which tools are
blind. Each is planted in a private clone and meets the tests that run its line, the quickest first, up to the
first that fails.
"""

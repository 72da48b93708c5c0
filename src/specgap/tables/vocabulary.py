"""Each token's text in readable form, as the tables show it."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from specgap.errors import TableError
from specgap.files import check_footer
from specgap.schema import VOCABULARY


def read_vocabulary(path: Path) -> dict[int, str]:
    """Return token id → readable text from `results/vocabularies/{pair}.parquet`."""
    try:
        check_footer(path)
        table = pq.read_table(path, schema=VOCABULARY)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TableError(f"vocabulary {path} cannot be read ({error}); wanted it written anew") from error
    return dict(zip(table["token"].to_pylist(), table["text"].to_pylist(), strict=True))


def token_text(vocabulary: Mapping[int, str], token: int, *, of: str) -> str:
    """Return a token's text; a `TableError` names what it is `of` where the vocabulary lacks it."""
    try:
        return vocabulary[token]
    except KeyError:
        raise TableError(
            f"token {token} of the {of} is not in the vocabulary of {len(vocabulary)} tokens"
        ) from None

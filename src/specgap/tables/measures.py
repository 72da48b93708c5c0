"""What a pair makes of the prompts themselves, as comparisons of groups want it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from specgap.errors import TableError
from specgap.files import check_footer
from specgap.schema import PROMPT_MEASURES


def read_measures(path: Path) -> dict[int, tuple[int, float | None]]:
    """Read `results/prompts/{pair}.parquet`: prompt id → (length in tokens, mean log P under the target)."""
    try:
        check_footer(path)
        table = pq.read_table(path, schema=PROMPT_MEASURES)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TableError(f"measures of prompts {path} cannot be read ({error}); make them anew") from error
    columns = (table[name].to_pylist() for name in ("prompt", "n_tokens", "mean_log_p"))
    return {prompt: (length, log_p) for prompt, length, log_p in zip(*columns, strict=True)}

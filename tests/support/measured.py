"""What a simulation measured beside its band: printed, asserted, kept for docs/statistics.md's table."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.size import SIZE

#: How many worlds a simulation draws.
WORLDS = SIZE.worlds
#: Where `make test-statistics SIZE=full` collects what was measured.
_COLLECTED = os.environ.get("SPECGAP_MEASURED")


@dataclass(frozen=True)
class Measured:
    """One line: what was simulated, what was measured of it, in how many worlds, and where it has to lie."""

    simulation: str
    quantity: str
    value: float
    low: float
    high: float
    worlds: int
    #: Whether it shows that the plant bites: what a wrong method does.
    guard: bool = False

    def hold(self) -> None:
        """Print the line, keep it, and assert that the value lies in its band."""
        kind = "guard" if self.guard else "band"
        print(
            f"{self.simulation}: {self.quantity} {self.value:.4f}, {kind} [{self.low:g}, {self.high:g}], "
            f"{self.worlds} worlds"
        )
        if _COLLECTED:
            folder = Path(_COLLECTED)
            folder.mkdir(parents=True, exist_ok=True)
            name = "".join(c if c.isalnum() else "-" for c in f"{self.simulation}-{self.quantity}")
            (folder / f"{name}.json").write_text(json.dumps(asdict(self)), encoding="utf-8")
        assert self.low <= self.value <= self.high, self


def share(values: list[bool]) -> float:
    """Return the share of true values."""
    return sum(values) / len(values)

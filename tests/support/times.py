"""How long each test module takes, so that processes share the work evenly: `tests/times.json`.

`make test-times` writes it from a run's own report. A module that it lacks comes first, as if it were the
longest.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
TIMES = ROOT / "tests/times.json"


def known() -> dict[str, float]:
    """Return the seconds of each module of one second or more, by its path."""
    return dict(json.loads(TIMES.read_text(encoding="utf-8"))) if TIMES.is_file() else {}


def read(report: Path) -> dict[str, float]:
    """Return the seconds that each module took in a JUnit report, set-up included, longest first."""
    seconds: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        seconds[_module(case.attrib["classname"].split("."))] += float(case.attrib["time"])
    return {module: round(taken, 1) for module, taken in seconds.most_common()}


def _module(names: Iterable[str]) -> str:
    path = Path()
    for name in names:
        path /= name
        if (ROOT / path).with_suffix(".py").is_file():
            return f"{path}.py"
    raise ValueError(f"no module of these tests: {path}")


if __name__ == "__main__":
    TIMES.write_text(json.dumps(read(Path(sys.argv[1])), indent=1) + "\n", encoding="utf-8")

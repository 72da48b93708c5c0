"""What pairs and decodings cost, added up, and told as people read it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One kind of job of a pair and decoding: how many there are, and what all of them take and leave."""

    name: str
    jobs: int
    seconds: float  # without starting up
    bytes: float


@dataclass(frozen=True)
class Estimate:
    """What one pair and decoding will cost."""

    pair: str
    decoding: str
    device: str
    start_up: float  # seconds before a job's first token: libraries and models
    model_parts: tuple[Part, ...]
    counting_parts: tuple[Part, ...]
    memory: float  # bytes at the peak: of the GPU where there is one, else of the process

    @property
    def model_jobs(self) -> int:
        """Number of jobs that load the models."""
        return sum(part.jobs for part in self.model_parts)

    @property
    def device_hours(self) -> float:
        """Hours of the device, loading included."""
        work = sum(part.seconds for part in self.model_parts)
        return (work + self.model_jobs * self.start_up) / 3600

    @property
    def disk(self) -> float:
        """Bytes of all shards."""
        return sum(part.bytes for part in (*self.model_parts, *self.counting_parts))


_HEAD = ("pair", "decoding", "kind of job", "jobs", "device-hours", "disk", "peak memory")


def as_lines(estimates: Iterable[Estimate]) -> Iterator[str]:
    """Yield a table for people, line by line as it is measured, with a line that adds up."""
    yield _line(_HEAD)
    jobs, hours, disk = 0, 0.0, 0.0
    devices: dict[str, None] = {}
    for one in estimates:
        for part in one.model_parts:
            spent = (part.seconds + part.jobs * one.start_up) / 3600
            yield _line(
                (one.pair, one.decoding, part.name, f"{part.jobs}", f"{spent:.3g}", _size(part.bytes), "")
            )
        for part in one.counting_parts:
            yield _line((one.pair, one.decoding, part.name, f"{part.jobs}", "", _size(part.bytes), ""))
        total = (f"{one.model_jobs}", f"{one.device_hours:.3g}", _size(one.disk), _size(one.memory))
        yield _line((one.pair, one.decoding, "together", *total))
        jobs, hours, disk = jobs + one.model_jobs, hours + one.device_hours, disk + one.disk
        devices[one.device] = None
    yield _line(("all", "", "", f"{jobs}", f"{hours:.3g}", _size(disk), ""))
    yield f"measured on {', '.join(devices)}; figures and tables come on top"


def _line(cells: Sequence[str]) -> str:
    widths = (16, 12, 26, 6, 13, 10, 12)
    front = (f"{cell:<{width}}" for cell, width in zip(cells[:3], widths[:3], strict=True))
    back = (f"{cell:>{width}}" for cell, width in zip(cells[3:], widths[3:], strict=True))
    return " ".join((*front, *back)).rstrip()


def _size(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"

"""What the measurements were made on and with."""

import os
import platform
import subprocess
import tomllib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

CRATES = ("parquet",)


def machine() -> dict[str, str | int | float]:
    """Processor, cores that this process may use, memory (GiB) and system."""
    affinity = getattr(os, "sched_getaffinity", None)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": _cpu(),
        "cores": len(affinity(0)) if affinity else os.cpu_count() or 0,
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions(root: Path, packages: Sequence[str]) -> dict[str, str]:
    """Releases of Python, of these packages, and of what rust_agg is built with."""
    lock = tomllib.loads((root / "rust_agg/Cargo.lock").read_text(encoding="utf-8"))
    crates = {crate["name"]: crate["version"] for crate in lock["package"]}
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        **{f"{name} (crate)": crates[name] for name in CRATES},
        "rustc": rustc.split()[1],
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    names = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
    return names[0].split(":", 1)[1].strip() if names else platform.processor()

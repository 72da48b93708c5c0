"""Which device a pair runs on, and its name; a GPU that was given is used or missed aloud."""

import os
import platform
import shutil
import subprocess
import warnings
from collections.abc import Mapping
from pathlib import Path

from specgap.errors import ModelError
from specgap.models.claims import claim_gpu

_NO_GPU = frozenset({"", "-1", "none", "void", "nodevfiles"})
_DRIVER_FILE = Path("/proc/driver/nvidia/version")


def choose_device(device: str, *, gpu_given: bool, environment: Mapping[str, str] | None = None) -> str:
    """Return the torch device for a config's `device`.

    `auto` is CUDA, MPS or CPU, the first that torch sees; of several GPUs it is one that no other job has.
    Where a GPU was given (by `gpu_given`, `CUDA_VISIBLE_DEVICES` or `SLURM_JOB_GPUS`) and torch sees none, it
    raises `ModelError`.
    """
    giver = _giver(gpu_given, os.environ if environment is None else environment)
    if device == "cpu":
        return "cpu"
    if device == "auto":
        if n := _n_cuda():
            # A scheduler shows a job its own GPUs; Snakemake alone only counts them.
            return f"cuda:{claim_gpu(n)}" if n > 1 else "cuda"
        if _has_mps():
            return "mps"
        if giver:
            raise ModelError(f"a GPU was given ({giver}) but torch sees none: {_diagnosis()}")
        return "cpu"
    if device == "mps":
        if not _has_mps():
            raise ModelError("device is mps, but torch sees no Apple GPU; wanted device auto, cpu or cuda")
        return device
    return _cuda(device)


def device_name(device: str) -> str:
    """Return a readable name of a torch device, `cuda (NVIDIA H100)` or `cpu (AMD EPYC 7763)`."""
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        return f"{device} ({torch.cuda.get_device_name(torch.device(device))})"
    return f"{device} ({_processor()})"


def _cuda(device: str) -> str:
    kind, colon, index = device.partition(":")
    if kind != "cuda" or (colon and not (index.isascii() and index.isdigit())):
        raise ModelError(f"device is {device!r}; wanted auto, cpu, cuda, cuda:N or mps")
    seen = _n_cuda()
    if not seen:
        raise ModelError(f"device is {device!r} but torch sees no GPU: {_diagnosis()}")
    if colon and int(index) >= seen:
        raise ModelError(f"device is {device!r} but torch sees {seen} GPUs; wanted cuda:0 to cuda:{seen - 1}")
    return device


def _giver(gpu_given: bool, environment: Mapping[str, str]) -> str:
    """Say who gave a GPU, or return an empty string."""
    if gpu_given:
        return "resources.gpu"
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS"):
        value = environment.get(name, "").strip()
        if value.lower() not in _NO_GPU:
            return f"{name}={value}"
    return ""


def _n_cuda() -> int:
    import torch

    with warnings.catch_warnings():
        # An old driver is told as a warning; the sentence of `_diagnosis` says it better.
        warnings.simplefilter("ignore")
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _has_mps() -> bool:
    import torch

    return bool(torch.backends.mps.is_available())


def _diagnosis() -> str:
    """Name the driver, torch's CUDA version and the remedy."""
    import torch

    driver, built = _driver(), torch.version.cuda
    if built is None:
        remedy = "install a torch built for CUDA"
    elif driver is None:
        remedy = "install NVIDIA's driver, or run on a node that has one"
    else:
        remedy = "install a driver or a torch that fit each other, or check CUDA_VISIBLE_DEVICES"
    return (
        f"NVIDIA driver {driver or 'none found'}, torch {torch.__version__} with CUDA {built or 'none'}; "
        f"{remedy}, or set device: cpu"
    )


def _driver() -> str | None:
    command = shutil.which("nvidia-smi")
    if command is not None:
        query = [command, "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            said = subprocess.run(
                query, capture_output=True, text=True, timeout=20, check=True
            ).stdout.split()
        except (OSError, subprocess.SubprocessError):
            said = []
        if said:
            return said[0]
    if _DRIVER_FILE.is_file():
        return " ".join(_DRIVER_FILE.read_text(encoding="utf-8").splitlines()[0].split())
    return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

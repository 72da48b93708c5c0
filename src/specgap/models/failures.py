"""Every way in which `from_pretrained` can fail, as one sentence that names the model and the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

from specgap.errors import ModelError
from specgap.models.folders import folder_of
from specgap.settings import Model


@contextmanager
def one_sentence(model: Model, what: str) -> Iterator[None]:
    """Turn whatever `from_pretrained` raises into a `ModelError` that names the model and the remedy."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(_explain(model, what, error)) from error


def _explain(model: Model, what: str, error: Exception) -> str:
    where = "model folder" if folder_of(model) is not None else "hub model"
    behind = (error, error.__cause__, error.__context__)
    said = " ".join(f"{type(cause).__name__} {cause}" for cause in behind if cause)
    page = f"https://huggingface.co/{model.source}"
    at = f" at revision {model.revision!r}" if model.revision else ""
    if "trust_remote_code" in said:
        return (
            f"{where} {model.source} brings its own Python code, which specgap does not run; "
            f"wanted an architecture of transformers, or trust_remote_code: true where you trust it"
        )
    if where == "model folder":
        return f"{where} {model.source}: its {what} cannot be read ({_first_line(error)})"
    # The hub says of an unknown model that it might be gated.
    if "is not a valid model identifier" in said or "RepositoryNotFound" in said or "Repo id must" in said:
        return (
            f"hub model {model.source}{at} is unknown or private; check its name at {page}, "
            f"log in with `hf auth login`, or write a folder as ./{model.source}"
        )
    if "gated repo" in said.lower() or "GatedRepoError" in said:
        return (
            f"hub model {model.source} is gated; accept its terms at {page}, log in with `hf auth login`, "
            f"and run again"
        )
    if "is not a valid git identifier" in said or "RevisionNotFound" in said:
        return f"hub model {model.source} has no revision {model.revision!r}; see {page}/tree/main"
    if "safetensors" in said and "does not appear to have a file" in said:
        return (
            f"hub model {model.source}{at} has no safetensors weights; wanted a model or revision with them, "
            f"or allow_pickle: true where you trust it"
        )
    if _is_unreachable(said):
        return (
            f"hub model {model.source}{at} cannot be fetched, since the hub is not reachable and its {what} "
            f"is not in the local cache; fetch it where there is a network "
            f"(`snakemake prefetch --forcerun fetch_model`, or `hf download {model.source}`), "
            f"or give a folder's path"
        )
    return f"hub model {model.source}{at}: its {what} cannot be read ({_first_line(error)})"


def _is_unreachable(said: str) -> bool:
    hints = (
        "couldn't connect",
        "offline mode",
        "ConnectionError",
        "connection",
        "resolve",
        "Cannot send a request",
    )
    return any(hint.lower() in said.lower() for hint in hints)


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:197]}..."

"""What a call of the draft costs beside one of the target: c of the modelled speed-up."""

from collections.abc import Mapping
from typing import Any

from specgap.config import Study


def cost_ratio(study: Study, facts: Mapping[str, Any]) -> float:
    """Return the config's `cost_ratio`, or the ratio of parameters where it is left out."""
    return study.cost_ratio if study.cost_ratio is not None else parameter_ratio(facts)


def parameter_ratio(facts: Mapping[str, Any]) -> float:
    """Return draft / target parameters, embeddings included, from a pair's facts (`models.ReadyPair`).

    A matrix that a model uses twice (tied embeddings) is counted once; rows cut from a head are not counted.

    >>> parameter_ratio({"target": {"n_parameters": 1000}, "draft": {"n_parameters": 250}})
    0.25
    """
    return float(facts["draft"]["n_parameters"] / facts["target"]["n_parameters"])

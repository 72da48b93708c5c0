"""Settings as `rust_agg` takes them: to be replayed, and to say how far the draft's tails must go.

`rust_agg` is imported where it is used, so that the workflow can ask what tails depend on without it.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from specgap.config import Study
from specgap.settings import Setting
from specgap.tables.names import order_setting

if TYPE_CHECKING:
    import rust_agg


def schedule_of(setting: Setting, order: Sequence[int]) -> "rust_agg.Replay":
    """Return a setting to be replayed; `order` is the prompts' where γ goes from one to the next."""
    import rust_agg

    return rust_agg.Replay(
        setting.schedule,
        setting.num_assistant_tokens,
        confidence_threshold=setting.confidence_threshold,
        order=list(order) if setting.carry_state else None,
    )


def tail_schedules(study: Study, decoding: str, *, full: bool) -> "list[rust_agg.Replay]":
    """Return the schedules whose discarded tokens are wanted; with `full`, those that want their p too."""
    return [schedule_of(setting, ()) for setting in tail_settings(study, decoding, full=full)]


def wanted_tails(study: Study, decoding: str) -> "tuple[list[rust_agg.Replay], list[rust_agg.Replay]]":
    """Return the schedules that need tails, each once, and those among them that need p too."""
    counted, full = (tail_schedules(study, decoding, full=full) for full in (False, True))
    return list(dict.fromkeys([*counted, *full])), list(dict.fromkeys(full))


def tail_numbers(counted: "Iterable[rust_agg.Replay]", full: "Iterable[rust_agg.Replay]") -> dict[str, Any]:
    """Return such schedules as JSON, in an order that knows no config: what a shard of tails is known by."""
    return {
        name: sorted([one.schedule, one.num_assistant_tokens, one.confidence_threshold] for one in schedules)
        for name, schedules in (("counted", counted), ("full", full))
    }


def tail_settings(study: Study, decoding: str, *, full: bool) -> list[Setting]:
    """Return the same as settings, none of which carries γ from prompt to prompt.

    So a shard's tails depend on no other shard, nor on the order of prompts or groups. Where a setting
    carries γ, or `order_effect` lets it, the longest rounds that there can be stand for all settings: such a
    round ends at a rejection, and its tail goes to the end of the text.
    """
    wanted = study.tailed_settings_of(decoding, full=full)
    ordered = not full and len(study.settings_of(decoding)) > 1 and order_setting(study, decoding) is not None
    if not ordered and not any(setting.carry_state for setting in wanted):
        return wanted
    longest = study.decodings[decoding].max_new_tokens - 1
    # Not checked: a text may be longer than a round that a config can ask for.
    return [
        Setting.model_construct(
            schedule="constant",
            num_assistant_tokens=max(1, longest),
            confidence_threshold=0.0,
            carry_state=False,
        )
    ]

"""From two versions of a file to the texts of a fault: what differs, and as many lines as name one place."""

from difflib import SequenceMatcher


def excerpt(before: str, after: str) -> tuple[str, str]:
    """Return old and new text, whole lines; the old one stands exactly once in `before`."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    start, old_end, new_end = _changed(old, new)
    while True:
        text = "".join(old[start:old_end])
        if text.strip() and before.count(text) == 1:
            return text, "".join(new[start:new_end])
        if old_end < len(old):
            old_end, new_end = old_end + 1, new_end + 1
        start = max(start - 1, 0)


def _changed(old: list[str], new: list[str]) -> tuple[int, int, int]:
    """Return where the first change begins, and where the last ends in each."""
    parts = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    changes = [part for part in parts if part[0] != "equal"]
    return changes[0][1], changes[-1][2], changes[-1][4]


def by_diff(before: str, diff: str) -> str:
    """Return a text after a unified diff of one hunk, as cargo-mutants prints it."""
    hunk = diff[diff.index("@@") :].splitlines(keepends=True)
    start = int(hunk[0].split()[1].lstrip("-").split(",")[0]) - 1
    old = [line[1:] for line in hunk[1:] if line[0] in " -"]
    new = [line[1:] for line in hunk[1:] if line[0] in " +"]
    lines = before.splitlines(keepends=True)
    assert lines[start : start + len(old)] == old, "the diff is of another text"
    return "".join(lines[:start] + new + lines[start + len(old) :])

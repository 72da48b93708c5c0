"""Small prompt files: `loaded(tmp_path, csv("a,female", "b,male"))` is a `PromptSet`."""

import json
from pathlib import Path
from typing import Any

from specgap.config import Study, parse
from specgap.prompts import PromptSet, load_prompts


def csv(*rows: str, header: str = "text,group") -> str:
    return "\n".join([header, *rows]) + "\n"


def jsonl(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def honest(*rows: tuple[str, str, str, str]) -> str:
    """Rows of (identity, template, number, category) in HONEST's layout."""
    lines = ["template_masked\traw\tidentity\tnumber\tcategory\ttype"]
    for identity, template, number, category in rows:
        masked = template.replace("[I]", identity) + "."
        lines.append(f"{masked}\t{template}\t{identity}\t{number}\t{category}\toccupation")
    return "\n".join(lines) + "\n"


def study(*files: str, **keys: Any) -> Study:
    return parse({"prompts": {"files": list(files), **keys.pop("prompts", {})}, **keys}, source="config.yaml")


def loaded(folder: Path, content: str | bytes, *, name: str = "p.csv", **keys: Any) -> PromptSet:
    """Write one prompt file and load it; `keys` are those of the config."""
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    (folder / name).write_bytes(raw)
    return load_prompts(study(name, **keys), root=folder)

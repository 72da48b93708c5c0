"""Write config/README.md and the JSON schema from the models of specgap.config."""

from pathlib import Path

import typer

from specgap.files import write_text
from specgap.reference import json_schema, markdown


def main(readme: Path, schema: Path) -> None:
    write_text(readme, markdown())
    write_text(schema, json_schema())


if __name__ == "__main__":
    typer.run(main)

"""Draw three studies whose truth is known, test them, and say what each reader would."""

from pathlib import Path

import typer

from specgap.demonstration import in_words, studies, write_tables
from specgap.errors import one_sentence
from specgap.figures.known_truth import draw_known_truth


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = studies()
    write_tables(folder, found)
    draw_known_truth(found, folder / "known_truth.png", folder / "known_truth.pdf")
    print("\n".join(in_words(found)))


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)

"""Save a figure as PNG and PDF, byte-equal from run to run, with its alt text inside."""

from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from specgap.figures.style import paper_style
from specgap.files import written_whole

#: Pixels per inch of a PNG.
DPI = 200


def save(figure: Figure, png: Path, pdf: Path, *, title: str, alt: str) -> None:
    """Write both files whole. Dates and version strings stay out, so equal figures are equal bytes."""
    with paper_style():
        # Once for both files: they show the same picture, and layout is half the time.
        _settle(figure)
        with written_whole(png) as beside:
            figure.savefig(
                beside, format="png", dpi=DPI, metadata={"Title": title, "Description": alt, "Software": None}
            )
        about = {"Title": title, "Subject": alt, "CreationDate": None, "Creator": None, "Producer": None}
        # In memory first: matplotlib closes a PDF that a full disk has cut short with an error of its own.
        drawn = BytesIO()
        figure.savefig(drawn, format="pdf", metadata=about)
        with written_whole(pdf) as beside:
            beside.write_bytes(drawn.getvalue())


def _settle(figure: Figure) -> None:
    """Lay the panels out and keep them there, at places of so many digits that every run finds the same.

    The solver's last bit follows from addresses in memory, and a place that lies between two numbers of a
    PDF's ten decimals would be written as the one or the other.
    """
    engine = figure.get_layout_engine()
    if engine is None:
        return
    figure.dpi = DPI
    engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(part, 6) for part in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, height))

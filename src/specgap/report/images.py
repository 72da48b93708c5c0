"""Pictures that fit into a page: PNG with few colours, as data."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

#: Lines, text and one colour scale need no more; a picture of the page weighs a third of the file's.
_COLOURS = 128


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URI, with the size at which it is shown, in CSS pixels."""

    uri: str
    width: int
    height: int


def picture(png: Path) -> Picture:
    """Return a PNG with at most 128 colours, its pixels as they are, shown at half size for sharp screens."""
    with Image.open(png) as image:
        small = image.convert("RGB").quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{data}", small.width * 13 // 20, small.height * 13 // 20)

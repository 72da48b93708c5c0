"""Pictures that fit into a page: PNG with few colours, as data."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

#: Lines and text have some 300 colours, a colour scale 2,000: of so many none moves by more than a sixteenth.
_COLOURS = 256


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URI, with the size at which it is shown, in CSS pixels."""

    uri: str
    width: int
    height: int


def picture(png: Path) -> Picture:
    """Return a PNG with at most 256 colours, its pixels as they are, shown at half size for sharp screens."""
    with Image.open(png) as image:
        small = image.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    small.save(buffer, format="PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{data}", small.width * 13 // 20, small.height * 13 // 20)

"""SVG to PNG: the one module that imports resvg.

resvg is one wheel of 3 MB without system libraries, where Cairo needs them and matplotlib would draw everything a
second time. Text needs a font: those of the system, and, where a container has none, the one that Pillow carries.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

#: Pixels per unit of the picture: sharp on screens of today and in print.
ZOOM = 2.0


def png(svg: str) -> bytes:
    """The picture as PNG, twice its size in pixels."""
    import resvg_py

    with tempfile.TemporaryDirectory(prefix="logsense-font-") as folder:
        fonts = _spare_font(Path(folder))
        return bytes(
            resvg_py.svg_to_bytes(svg_string=svg, zoom=ZOOM, font_files=fonts, sans_serif_family=_family(fonts))
        )


def _spare_font(folder: Path) -> list[str]:
    """Pillow's own font as a file, when this Pillow has one."""
    from PIL import ImageFont

    font = ImageFont.load_default(12)
    data = getattr(font, "font_bytes", b"")
    if not data:
        return []
    path = folder / "spare.ttf"
    path.write_bytes(data)
    return [str(path)]


def _family(fonts: list[str]) -> str:
    """The name of the spare font: what ``sans-serif`` falls back to."""
    from PIL import ImageFont

    return str(ImageFont.truetype(fonts[0]).getname()[0]) if fonts else "DejaVu Sans"

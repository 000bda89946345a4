"""Symbols that machines read: the offer's QR code, the sheet's Data Matrix. Each as one SVG path, without a quiet zone.

Made and read back by zxing-cpp.
"""

from __future__ import annotations

import re
from functools import cache
from math import isqrt
from typing import Any

PIECE = 11
"""Modules that are drawn at once: of so few there are 2,048 patterns, and each is worked out once for a process."""

_DARK = re.compile(rb"\x00+")


def qr_svg(url: str) -> str:
    """A QR code, error level M: 22 mm of a 33-module symbol make modules of 0.67 mm (domain: at least 0.4 mm, side at
    least 20 mm); its quiet zone is four modules.

    The mask is fixed: weighing all eight takes four times as long and makes a printed symbol no easier to read.
    """
    import zxingcpp

    return _svg(zxingcpp.create_barcode(url, zxingcpp.BarcodeFormat.QRCode, ec_level="M", data_mask=3))[1]


def data_matrix_svg(text: str) -> tuple[int, str]:
    """A square Data Matrix, ECC 200 (ISO/IEC 16022), and how many modules it is wide: set it at 0.5 mm a module or more
    and keep one module around it blank. `20261001-L07-000123-02` takes 18 modules, 9 mm."""
    import zxingcpp

    return _svg(zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix, force_square=True))


def _svg(code: Any) -> tuple[int, str]:
    image: Any = code.to_image(scale=1, add_quiet_zones=False)
    pixels = memoryview(image).tobytes()  # a byte a module, 0 is dark
    side = isqrt(len(pixels))
    bars = "".join(
        f"M0 {row}{''.join(_bars(pixels[place : min(place + PIECE, end)]) for place in range(end - side, end, PIECE))}"
        for row, end in enumerate(range(side, len(pixels) + 1, side))
    )
    return side, f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}"><path d="{bars}"/></svg>'


@cache
def _bars(modules: bytes) -> str:
    """A piece of a row, drawn from its left end on; then the pen stands at its right end."""
    drawn, at = "", 0
    for bar in _DARK.finditer(modules):
        wide = bar.end() - bar.start()
        drawn += f"m{bar.start() - at} 0h{wide}v1h-{wide}z"
        at = bar.start()
    return f"{drawn}m{len(modules) - at} 0"

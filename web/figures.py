"""Numbers and foreign texts as pages show them, the same on every machine: no locale, no Unicode tables."""

from __future__ import annotations

import re

THIN_SPACE = "\u202f"
"""Narrow no-break space: parts groups of three digits, and a number from its unit."""

_UNITS = ("kB", "MB", "GB", "TB", "PB")
_UNSEEN = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def number(value: int) -> str:
    """Return a count with its digits in groups of three: 1234567 as "1 234 567", with narrow spaces."""
    return f"{value:,}".replace(",", THIN_SPACE)


def size(value: int) -> str:
    """Return a number of bytes in powers of 1000, rounded half up to one decimal: 1250000 as "1.3 MB"."""
    if value < 1000:
        return f"{value}{THIN_SPACE}B"
    scale, unit = 1000, 0
    while _tenths(value, scale) >= 10_000 and unit < len(_UNITS) - 1:
        scale, unit = scale * 1000, unit + 1
    tenths = _tenths(value, scale)
    return f"{number(tenths // 10)}.{tenths % 10}{THIN_SPACE}{_UNITS[unit]}"


def percent(part: int, whole: int) -> str:
    """Return a share of a whole with one decimal; what is there but would round to nothing is "<0.1 %"."""
    if not part or not whole:
        return f"0{THIN_SPACE}%"
    tenths = _tenths(part * 100, whole)
    shown = f"{tenths // 10}.{tenths % 10}" if tenths else "<0.1"
    return f"{shown}{THIN_SPACE}%"


def permille(part: int, whole: int) -> int:
    """Return a share as 0 to 1000 for drawing; what is there is never drawn as nothing."""
    return max(1, part * 1000 // whole) if part and whole else 0


def visible(text: str) -> str:
    r"""Return a foreign text with controls, invisible and direction-changing characters as ``\u{…}``.

    A source name with a right-to-left override must not change how the page around it reads.
    """
    return _UNSEEN.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)


def shorten(text: str, length: int) -> str:
    """Return a text of at most ``length`` characters, its middle left out when it is longer."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def _tenths(value: int, scale: int) -> int:
    return (value * 20 + scale) // (2 * scale)

"""Small pictures as SVG text: what the daily run shows costs milliseconds, where a plotting library costs seconds."""

import base64
import struct
import zlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Literal

import dagster as dg
import numpy as np
import numpy.typing as npt

Anchor = Literal["start", "middle", "end"]
INK, FAINT = "#222", "#ddd"


def picture(width: float, height: float, parts: Sequence[str]) -> dg.MarkdownMetadataValue:
    """The parts on white, in pixels, as Dagster shows it in an asset's metadata."""
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>'
    )
    return dg.MetadataValue.md(
        f"![plot](data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()})"
    )


def rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    """A filled rectangle; x, y is its upper left corner."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def rule(x1: float, y1: float, x2: float, y2: float, colour: str = INK) -> str:
    """A hairline."""
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="0.8"/>'


def circle(x: float, y: float, radius: float, colour: str) -> str:
    """A filled circle around x, y."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}" stroke="{INK}" stroke-width="0.5"/>'


def trail(points: Sequence[tuple[float, float]], colour: str) -> str:
    """A line through points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'


def label(
    x: float, y: float, said: str, size: float, anchor: Anchor = "start", *, upward: bool = False
) -> str:
    """A text whose baseline starts, is centred, or ends at x, y; `upward` turns it by a quarter."""
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if upward else ""
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{INK}"{turn}'
    return f"<text {place}>{escape(said)}</text>"


def room(labels: Iterable[str], size: float) -> int:
    """The pixels that the longest of some labels takes, in capitals, and a gap: neither cut nor an empty margin."""
    return round(0.7 * size * max(map(len, labels), default=0)) + 8


def image(x: float, y: float, side: float, pixels: npt.NDArray[np.uint8]) -> str:
    """A square image of (n, n, 3) red-green-blue pixels, enlarged without smoothing."""
    return (
        f'<image x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"/>'
    )


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """(n, m, 3) red-green-blue pixels as a PNG file (ISO/IEC 15948)."""
    height, width, _ = pixels.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, 3 * width)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers that span low..high, at most about `most`: steps of 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9)
    high = low + span
    power = 10.0 ** np.floor(np.log10(span / most))
    step = next(power * times for times in (1, 2, 5, 10) if span / (power * times) <= most)
    return [step * number for number in range(int(np.floor(low / step)), int(np.ceil(high / step)) + 1)]

"""A small plot as inline SVG: axes with round ticks, lines, bands, spans. Colours and dashes are the page's CSS classes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

LEFT, RIGHT, TOP, BOTTOM = 30.0, 10.0, 17.0, 16.0


def nice_ticks(low: float, high: float, about: int = 4) -> tuple[float, ...]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) within low..high."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return (low,)
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    count = int((high - first * step) / step + 1e-9) + 1
    return tuple((first + i) * step for i in range(max(count, 0)))


def limits(
    values: Iterable[np.ndarray], at_least: tuple[float, float] | None = None, pad: float = 0.06
) -> tuple[float, float]:
    """Range of the finite values, widened to ``at_least`` and by ``pad`` of itself; 0..1 where there are none."""
    arrays = [np.asarray(v, dtype=np.float64).reshape(-1) for v in values]
    every = np.concatenate([np.zeros(0), *arrays])
    every = every[np.isfinite(every)]
    if at_least is not None:
        every = np.concatenate([every, at_least])
    if not len(every):
        return 0.0, 1.0
    low, high = float(every.min()), float(every.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return low - pad * (high - low), high + pad * (high - low)


def label(value: float) -> str:
    """A tick: as few digits as it needs."""
    return f"{value + 0.0:.10g}" if abs(value) >= 1e-9 else "0"


class Plot:
    """Collects drawing elements; :meth:`render` gives the ``<svg>`` text. Data outside the axes is clipped."""

    def __init__(
        self,
        title: str,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        unit: str = "",
        up: str = "",
        down: str = "",
        x_ticks: Sequence[float] | None = None,
        x_unit: str = "",
        size: tuple[float, float] = (250.0, 150.0),
        y_ticks: int = 5,
    ) -> None:
        self._title, self._unit, self._up, self._down = title, unit, up, down
        self._x, self._y, self._size = x, y, size
        self._x_unit = f" {x_unit}" if x_unit else ""
        self._inside: list[str] = []
        self._above: list[str] = []
        self._x_ticks = nice_ticks(*x) if x_ticks is None else tuple(x_ticks)
        self._y_ticks = nice_ticks(*y, about=y_ticks)

    def px(self, x: float | np.ndarray) -> np.ndarray:
        """Horizontal places on the drawing."""
        width = self._size[0] - LEFT - RIGHT
        share = (np.asarray(x, dtype=np.float64) - self._x[0]) / (self._x[1] - self._x[0])
        return np.asarray(LEFT + width * share)

    def py(self, y: float | np.ndarray) -> np.ndarray:
        """Vertical places on the drawing."""
        height = self._size[1] - TOP - BOTTOM
        share = (self._y[1] - np.asarray(y, dtype=np.float64)) / (self._y[1] - self._y[0])
        return np.asarray(TOP + height * share)

    def line(self, x: np.ndarray, y: np.ndarray, css: str) -> None:
        """A curve, broken where it is not finite."""
        path = _path(self.px(x), self._clipped(self.py(y)))
        if path:
            self._inside.append(f'<path class="{css}" d="{path}"/>')

    def band(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, css: str) -> None:
        """The area between two curves; where either is not finite nothing is drawn at all."""
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            return
        xs = np.concatenate([self.px(x), self.px(x)[::-1]])
        ys = self._clipped(np.concatenate([self.py(high), self.py(low)[::-1]]))
        self._inside.append(f'<path class="{css}" d="{_path(xs, ys)}Z"/>')

    def markers(self, x: np.ndarray, y: np.ndarray, css: str, square: bool) -> None:
        """Small circles or squares."""
        for cx, cy in zip(self.px(x), self._clipped(self.py(y)), strict=True):
            if np.isfinite(cx) and np.isfinite(cy):
                self._inside.append(
                    f'<rect class="{css}" x="{cx - 1.7:.1f}" y="{cy - 1.7:.1f}" width="3.4" height="3.4"/>'
                    if square
                    else f'<circle class="{css}" cx="{cx:.1f}" cy="{cy:.1f}" r="1.9"/>'
                )

    def vertical(self, x: float, css: str) -> None:
        """A line across the whole height."""
        at = float(self.px(x))
        self._inside.append(f'<path class="{css}" d="M{at:.1f} {TOP:.1f}V{self._size[1] - BOTTOM:.1f}"/>')

    def horizontal(self, y: float, css: str) -> None:
        """A line across the whole width, if it lies within the axes."""
        if self._y[0] <= y <= self._y[1]:
            at = float(self.py(y))
            self._inside.append(f'<path class="{css}" d="M{LEFT:.1f} {at:.1f}H{self._size[0] - RIGHT:.1f}"/>')

    def span(self, start: float, end: float, css: str) -> None:
        """A stretch of the x axis over the whole height."""
        a, b = sorted(np.clip(self.px(np.array([start, end])), LEFT, self._size[0] - RIGHT).tolist())
        self._inside.append(
            f'<rect class="{css}" x="{a:.1f}" y="{TOP:.1f}" width="{max(b - a, 0.4):.1f}"'
            f' height="{self._size[1] - TOP - BOTTOM:.1f}"/>'
        )

    def note(self, text: str) -> None:
        """Words in the middle of the axes."""
        self._above.append(
            f'<text class="empty" x="{(LEFT + self._size[0] - RIGHT) / 2:.1f}"'
            f' y="{(TOP + self._size[1] - BOTTOM) / 2:.1f}">{escape(text)}</text>'
        )

    def _clipped(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(np.isfinite(y), np.clip(y, TOP, self._size[1] - BOTTOM), np.nan))

    def render(self) -> str:
        """The ``<svg>`` element; it scales to the width it is given."""
        w, h = self._size
        floor = h - BOTTOM
        unit = f' <tspan class="unit">({escape(self._unit)})</tspan>' if self._unit else ""
        parts = [
            f'<svg class="plot" viewBox="0 0 {w:g} {h:g}" role="img" aria-label="{escape(self._title)}">',
            f'<text class="title" x="{LEFT:g}" y="10">{escape(self._title)}{unit}</text>',
        ]
        for tick in self._y_ticks:
            at = float(self.py(tick))
            zero = " zero" if abs(tick) < 1e-9 else ""
            parts.append(f'<path class="grid{zero}" d="M{LEFT:g} {at:.1f}H{w - RIGHT:g}"/>')
            parts.append(f'<text class="tick y" x="{LEFT - 3:g}" y="{at + 2.6:.1f}">{label(tick)}</text>')
        for tick in self._x_ticks:
            at = float(self.px(tick))
            unit = self._x_unit if tick == self._x_ticks[-1] else ""
            parts.append(f'<path class="grid" d="M{at:.1f} {floor:g}v2.5"/>')
            parts.append(
                f'<text class="tick x" x="{at:.1f}" y="{floor + 9.5:g}">{label(tick)}{escape(unit)}</text>'
            )
        parts += self._inside
        parts.append(f'<path class="frame" d="M{LEFT:g} {TOP:g}V{floor:g}H{w - RIGHT:g}"/>')
        sense = "  ".join(f"{arrow} {word}" for arrow, word in (("↑", self._up), ("↓", self._down)) if word)
        if sense:
            parts.append(f'<text class="sense" x="{w - RIGHT:g}" y="10">{escape(sense)}</text>')
        return "".join([*parts, *self._above, "</svg>"])


def _path(x: np.ndarray, y: np.ndarray) -> str:
    parts: list[str] = []
    drawing = False
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if not (math.isfinite(a) and math.isfinite(b)):
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{a:.1f} {b:.1f}")
        drawing = True
    return "".join(parts)

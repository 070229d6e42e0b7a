"""Tables of differences as lines of text for a terminal; shared by both kinds of comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kincast.offline.compare_difference import Difference

WIDTH = 46
"""Of a line's label."""
HEADER = f"{'mean':>9s} {'sd':>8s} {'RMSE':>8s} {'max':>8s} {'r':>6s}"
NOTE = "mean: of the differences; sd: about it (the RMSE with the mean removed); max: largest difference; r: correlation"
REVERSED = -0.7
"""Below this correlation two angles of a joint run against each other: one file counts with the other sign."""


def difference_lines(
    title: str, unit: str, table: Mapping[str, Difference], rows: str = "", scale: float = 1.0
) -> Iterator[str]:
    """A heading and one line per name; nothing for an empty table. ``scale`` turns the values into ``unit``."""
    if not table:
        return
    yield f"{f'{title} ({unit})':{WIDTH}s} {HEADER}{'   ' + rows if rows else ''}"
    for name, d in table.items():
        yield f"  {name:{WIDTH - 2}s} {numbers(d, scale)}"


def numbers(d: Difference, scale: float = 1.0) -> str:
    """Mean, sd, RMSE, largest and correlation, as under the header."""
    size = scale * max(abs(d.mean), d.rmse)
    decimals = 3 if size < 0.1 else 2 if size < 1000 else 0
    values = [
        f"{scale * v:{width}.{decimals}f}"
        for v, width in ((d.mean, 9), (d.sd, 8), (d.rmse, 8), (d.largest, 8))
    ]
    return " ".join([*values, f"{'-':>6s}" if d.correlation is None else f"{d.correlation:6.3f}"])


def reversed_names(table: Mapping[str, Difference]) -> list[str]:
    """Names whose two series run against each other."""
    return [n for n, d in table.items() if d.correlation is not None and d.correlation < REVERSED]

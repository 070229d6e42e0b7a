"""The document as one HTML page: styles, figures and pictures inside, nothing fetched from anywhere."""

from __future__ import annotations

import math
from importlib import resources

import jinja2
from markupsafe import Markup

from kincast.offline.report.document import Document
from kincast.offline.report.measure_kinds import Measure
from kincast.offline.report.measures import Statistics


def render(document: Document) -> str:
    """The page. All texts of the results are escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["svg"] = Markup  # our own drawings, whose texts are escaped already
    environment.globals.update(mean_sd=mean_sd, interval=interval, signed=signed, figure=figure)
    folder = resources.files("kincast.offline.report")
    template = environment.from_string((folder / "template.html.j2").read_text(encoding="utf-8"))
    style = (folder / "style.css").read_text(encoding="utf-8")
    return template.render(d=document, style=Markup(style))


def figure(value: float | None, decimals: int) -> str:
    """A number, a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return (text[1:] if float(text) == 0 and text.startswith("-") else text).replace("-", "−")


def signed(value: float, decimals: int) -> str:
    """The same with a plus."""
    text = figure(value, decimals)
    return f"+{text}" if math.isfinite(value) and value > 0 and float(text) != 0 else text


def mean_sd(statistics: Statistics | None, measure: Measure) -> str:
    """Mean ± sd between strides; the mean alone for one stride."""
    if statistics is None:
        return "–"
    text = figure(statistics.mean, measure.decimals)
    return text if math.isnan(statistics.sd) else f"{text} ± {figure(statistics.sd, measure.decimals)}"


def interval(statistics: Statistics | None, measure: Measure) -> str:
    """95 % interval of the mean."""
    if statistics is None or not math.isfinite(statistics.half_width):
        return "–"
    low, high = (statistics.mean + sign * statistics.half_width for sign in (-1, 1))
    return f"{figure(low, measure.decimals)} to {figure(high, measure.decimals)}"

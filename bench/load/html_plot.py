"""Lines over a common axis as SVG in a page, with the values for whoever points at them (`html_document` has
the script). PURE.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from bench.load.html_document import COLOURS

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 480, 230, 58, 22, 30, 10
#: of a line: some more are not to be seen
_MAX_POINTS = 400
#: so many plots stand two in a row: with three there would be one by itself
_IN_PAIRS = (2, 4)
#: between two words of the x axis
_APART = 64


def plot(
    title: str, x: str, y: str, lines: Mapping[str, Points], *, logarithmic: bool = False, whole: bool = False
) -> str:
    """Return a plot; where there is nothing to be seen, nothing.

    No line that is ever above 0 and goes from one place to another.

    Args:
        title: stands above.
        x: unit of x; its first word stands at the axis.
        y: unit of y, for who points at it; "": none.
        lines: by name; those that are never above 0 are told as none, in the order of the others.
        logarithmic: whether x is; then all x are above 0.
        whole: whether y ends at 100.
    """
    scale = math.log10 if logarithmic else float
    drawn = {
        name: _thinned(points) for name, points in lines.items() if any(value > 0 for _, value in points)
    }
    places = [scale(at) for points in drawn.values() for at, _ in points]
    if len(set(places)) < 2:
        return ""
    least, span = min(places), max(places) - min(places)
    most = 100.0 if whole else _top(max(value for points in drawn.values() for _, value in points))

    def across(at: float) -> float:
        return _LEFT + (scale(at) - least) / span * (_WIDTH - _LEFT - _RIGHT)

    def down(value: float) -> float:
        return _TOP + (1 - value / most) * (_HEIGHT - _TOP - _BOTTOM)

    marks = _x_axis(least, span, across, logarithmic=logarithmic, unit=x) + _y_axis(most, down)
    legend = []
    for number, (name, points) in enumerate(drawn.items()):
        path = " ".join(f"{across(at):.1f},{down(value):.1f}" for at, value in points)
        marks.append(f'<polyline class="s{number % COLOURS}" points="{path}" />')
        if name:
            legend.append(f'<span><i class="b{number % COLOURS}"></i>{escape(name)}</span>')
    legend += [f"<span>{escape(name)}: none</span>" for name in lines if name not in drawn and name]
    values = {
        "x": x, "y": y, "log": logarithmic, "least": least, "span": span, "most": most,
        "left": _LEFT, "right": _RIGHT, "top": _TOP, "bottom": _BOTTOM,
        "lines": [
            {"name": name, "points": [(_short(at), _short(value)) for at, value in points]} for name, points in drawn.items()
        ],
    }  # fmt: skip
    return (
        f'<figure class="plot" data-plot="{escape(json.dumps(values, separators=(",", ":")))}">'
        f"<figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" tabindex="0" aria-label="{escape(title)}">{"".join(marks)}</svg>'
        f'<div class="legend">{"".join(legend)}</div></figure>'
    )


def plots(found: Sequence[str]) -> str:
    """Return plots beside one another; of none, nothing."""
    shown = [one for one in found if one]
    pairs = " pairs" if len(shown) in _IN_PAIRS else ""
    return f'<div class="plots{pairs}">{"".join(shown)}</div>' if shown else ""


def _x_axis(
    least: float, span: float, across: Callable[[float], float], *, logarithmic: bool, unit: str
) -> list[str]:
    ticks = _powers(10**least, 10 ** (least + span)) if logarithmic else _round(least, least + span)
    marks = []
    for at in ticks:
        place = across(at)
        if at != ticks[-1] and across(ticks[-1]) - place < _APART:
            continue  # one word would lie on the other
        words = f"{_amount(at)} {unit.split()[0]}" if at == ticks[-1] else _amount(at)
        anchor = "end" if place > _WIDTH - _RIGHT - 20 else "middle"
        place = _WIDTH - 2 if anchor == "end" else place
        marks.append(f'<text x="{place:.1f}" y="{_HEIGHT - 9}" text-anchor="{anchor}">{escape(words)}</text>')
    return marks


def _y_axis(most: float, down: Callable[[float], float]) -> list[str]:
    marks = []
    for value in _round(0.0, most):
        place = down(value)
        marks.append(
            f'<text x="{_LEFT - 6}" y="{place:.1f}" text-anchor="end" dy="4">{_amount(value)}</text>'
        )
        marks.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{place:.1f}" y2="{place:.1f}" />'
        )
    return marks


def _thinned(points: Points) -> Points:
    """Return at most so many points as can be seen, the first and the last among them."""
    if len(points) <= _MAX_POINTS:
        return points
    return [points[round(index * (len(points) - 1) / (_MAX_POINTS - 1))] for index in range(_MAX_POINTS)]


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _amount(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1e6:.4g}M"
    if value >= 10_000:
        return f"{value / 1e3:.4g}k"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _top(most: float) -> float:
    """Return the round number in which an axis ends."""
    step = _step(0.0, most)
    return math.ceil(most / step - 1e-9) * step


def _step(least: float, most: float) -> float:
    """Return what is between the round numbers of an axis."""
    rough = (most - least) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _round(least: float, most: float) -> list[float]:
    """Return round numbers from the one to the other, some five."""
    step = _step(least, most)
    return [
        number * step for number in range(math.ceil(least / step - 1e-9), math.floor(most / step + 1e-9) + 1)
    ]


def _powers(least: float, most: float) -> list[float]:
    """Return round numbers for a logarithmic axis.

    Powers of ten, with 2 and 5 between them where there are few; else round ones.
    """
    exponents = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [
            factor * 10.0**exponent
            for exponent in exponents
            for factor in factors
            if least <= factor * 10.0**exponent <= most
        ]
        if len(found) >= 3:
            return found[:: len(found) // 6 + 1]
    return _round(least, most)

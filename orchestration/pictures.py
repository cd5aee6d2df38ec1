"""Small pictures for asset metadata. They show what a table of metadata already says."""

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import dagster as dg
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, BAR = "#1f2a44", "#4c7dd0"
COLOURS = ("#4c7dd0", "#e08a3c", "#57a773", "#b35c8f", "#8a7fc7", "#c9b03a")
# Period → what was spent and what was earned.
Series = dict[date, tuple[float, float]]


def bars(title: str, values: Mapping[str, int]) -> dg.MarkdownMetadataValue:
    """Horizontal bars, the largest on top, as an inline picture."""
    shown = sorted(values.items(), key=lambda item: (item[1], item[0]))
    figure = Figure(figsize=(6, 0.7 + 0.35 * max(1, len(shown))), layout="constrained")
    axes = figure.subplots()
    drawn = axes.barh(
        [name for name, _ in shown], [n for _, n in shown], color=BAR, height=0.6
    )
    axes.bar_label(drawn, labels=[f"{n:,}" for _, n in shown], padding=4, color=INK)
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.margins(x=0.15)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(bottom=False, labelbottom=False, left=False, colors=INK)
    return _inline(figure, title)


def spend_and_return(
    currency: str, channels: Mapping[str, Series]
) -> dg.MarkdownMetadataValue:
    """Spend of each channel over time, stacked, and under it what each unit of it earned."""
    title = f"Spend and return by channel, {currency}"
    figure = Figure(figsize=(8, 5), layout="constrained")
    spent, returned = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    periods = sorted({period for series in channels.values() for period in series})
    width = 0.8 * min(
        ((later - earlier).days for earlier, later in pairwise(periods)),
        default=1,
    )
    below = [0.0] * len(periods)
    for (channel, series), colour in zip(
        sorted(channels.items()), COLOURS * len(channels), strict=False
    ):
        heights = [series.get(period, (0.0, 0.0))[0] for period in periods]
        spent.bar(periods, heights, width, below, label=channel, color=colour)
        below = [low + height for low, height in zip(below, heights, strict=True)]
        earned = {
            day: revenue / spend for day, (spend, revenue) in series.items() if spend
        }
        returned.plot([*earned], [*earned.values()], color=colour, marker="o", ms=3)
    returned.axhline(1, color=INK, linewidth=0.8, linestyle=":")
    spent.set_title(title, loc="left", color=INK, fontsize=11)
    spent.set_ylabel(f"spend, {currency}", color=INK, fontsize=9)
    returned.set_ylabel("revenue / spend", color=INK, fontsize=9)
    spent.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    for axes in (spent, returned):
        _quiet(axes)
    return _inline(figure, title)


def steps(
    title: str, series: Mapping[str, Sequence[tuple[datetime, int]]]
) -> dg.MarkdownMetadataValue:
    """Numbers over time, each holding until the next; name → (when, how many) in order."""
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    latest = max((at for points in series.values() for at, _ in points), default=None)
    for (name, points), colour in zip(
        series.items(), COLOURS * len(series), strict=False
    ):
        if latest and points:
            drawn: list[tuple[Any, int]] = [*points, (latest, points[-1][1])]
            axes.plot(
                [at for at, _ in drawn],
                [number for _, number in drawn],
                drawstyle="steps-post",
                marker="o",
                ms=3,
                label=name,
                color=colour,
            )
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    _quiet(axes)
    axes.tick_params(axis="x", rotation=30)
    return _inline(figure, title)


def matrix(
    title: str, names: Sequence[str], counts: Mapping[tuple[str, str], int]
) -> dg.MarkdownMetadataValue:
    """How many are in both, coloured by the share of the row's own number, which is on the diagonal."""
    side = 2.5 + 0.55 * len(names)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    rows = [[counts.get((one, other), 0) for other in names] for one in names]
    shares = [
        [number / row[place] if row[place] else 0.0 for number in row]
        for place, row in enumerate(rows)
    ]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.4)
    for down, row in enumerate(rows):
        for across, number in enumerate(row):
            axes.text(
                across,
                down,
                f"{number:,}",
                ha="center",
                va="center",
                color=INK,
                fontsize=8,
            )
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0, colors=INK, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    return _inline(figure, title)


def bars_of_shares(
    title: str, shares: Mapping[str, Mapping[str, float]]
) -> dg.MarkdownMetadataValue:
    """Groups of horizontal bars from 0 to 100 %: name → kind → share."""
    kinds = list(next(iter(shares.values()), {}))
    height = 0.8 / max(1, len(kinds))
    figure = Figure(figsize=(7, 1 + 0.7 * max(1, len(shares))), layout="constrained")
    axes = figure.subplots()
    for number, (kind, colour) in enumerate(zip(kinds, COLOURS, strict=False)):
        axes.barh(
            [place + number * height for place in range(len(shares))],
            [100 * each[kind] for each in shares.values()],
            height=height,
            label=kind,
            color=colour,
        )
    middle = 0.4 - height / 2
    axes.set_yticks([place + middle for place in range(len(shares))], list(shares))
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("%", color=INK, fontsize=9)
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8)
    return _inline(figure, title)


def _quiet(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)


def _inline(figure: Figure, title: str) -> dg.MarkdownMetadataValue:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")

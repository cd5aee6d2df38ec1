"""Small pictures for asset metadata. They show what a table of metadata already says."""

import base64
import io
from collections.abc import Mapping
from datetime import date
from itertools import pairwise

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

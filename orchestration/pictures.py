"""Small pictures for asset metadata. They show what a table of metadata already says."""

import base64
import io
from collections.abc import Mapping

import dagster as dg
from matplotlib.figure import Figure

INK, BAR = "#1f2a44", "#4c7dd0"


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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")

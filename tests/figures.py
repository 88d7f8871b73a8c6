"""What tests of figures ask of one."""

import io

from matplotlib.legend import Legend


def rendered(figure):
    """The figure, after a full draw: layout, ticks and fonts must not warn either."""
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return figure


def lines(ax, label):
    return [line for line in ax.get_lines() if line.get_label() == label]


def line(ax, label):
    (only,) = lines(ax, label)
    return only


def beside(ax):
    """The words of each legend of a panel, from the top down."""
    legends = [child for child in ax.get_children() if isinstance(child, Legend)]
    legends.sort(key=lambda legend: -legend.get_window_extent().y1)
    return [[text.get_text() for text in legend.get_texts()] for legend in legends]

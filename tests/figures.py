"""What tests of figures ask of one."""

import io


def rendered(figure):
    """The figure, after a full draw: layout, ticks and fonts must not warn either."""
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return figure


def lines(ax, label):
    return [line for line in ax.get_lines() if line.get_label() == label]


def line(ax, label):
    (only,) = lines(ax, label)
    return only

"""Which components of a vector are looked at: one or two, by label or index."""

from collections.abc import Sequence

Components = Sequence[str | int]


def some(labels: Sequence[str]) -> str:
    """The first six labels, for a sentence."""
    return ", ".join(map(repr, labels[:6])) + (", …" if len(labels) > 6 else "")


def index_of(labels: Sequence[str], component: str | int) -> int | None:
    """The index of a component, None where there is no such one."""
    if isinstance(component, str):
        return labels.index(component) if component in labels else None
    return int(component) if 0 <= component < len(labels) else None


def looked_at(labels: Sequence[str], components: Components | None, space: str) -> list[int]:
    """The indices of the components to look at: all of one or two, else those of ``components``."""
    if len(labels) <= 2:
        return list(range(len(labels)))
    if components is None:
        raise ValueError(
            f"{space} has {len(labels)} components, but a landscape has two; "
            f"choose a pair of {some(labels)}, such as components=({labels[0]!r}, {labels[1]!r})."
        )
    indices = [index_of(labels, component) for component in components] if not isinstance(components, str) else []
    if len(indices) != 2 or None in indices or indices[0] == indices[1]:
        raise ValueError(
            f"components is {components!r}, but it must be two different components of {space}; "
            f"choose labels from {some(labels)} or indices from 0 to {len(labels) - 1}."
        )
    return [i for i in indices if i is not None]

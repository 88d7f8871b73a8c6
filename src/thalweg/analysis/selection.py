"""What a selection leaves of a trace or of fits: lost dims are put back, so that ``trace.sel(…)`` is judged too."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

PATH_DIMS = ("variant", "start", "step")
LANE_DIMS = PATH_DIMS[:2]
ELSEWHERE = ("start", "step", "case", "dtype", "iterate")  # scalar coordinates that tell nothing of a variant

Schema = Mapping[str, Sequence[str]]


def with_dims(data: xr.Dataset, schema: Schema) -> xr.Dataset:
    """``data`` with each variable of ``schema`` along its dims, in this order and before any others.

    A dim that is nowhere in the Dataset was lost where one of it was selected, such as ``.sel(variant="GD")``; it comes
    back with the size 1, and with it the coordinates that were along it. Only steps do not: one row is no path.
    Variables that are not in ``schema`` stay as they are.
    """
    lost = {dim for dims in schema.values() for dim in dims} - {*data.dims, "step"}
    along: dict[str, Any] = {dim: (dim, data.coords[dim].values[None]) for dim in lost if dim in data.coords}
    if "variant" in lost:
        others = {str(name): column for name, column in data.coords.items() if name not in (*lost, *ELSEWHERE)}
        along |= {name: ("variant", column.values[None]) for name, column in others.items() if not column.dims}
    columns = {name: data[name].variable for name in schema}
    back = {
        name: column.set_dims([dim for dim in schema[name] if dim in lost] + list(column.dims))
        for name, column in columns.items()
    }
    back = {name: column.transpose(*schema[name], ..., missing_dims="ignore") for name, column in back.items()}
    return data.drop_vars([*along, *back]).assign(back).assign_coords(along)[[str(name) for name in data]]


def judged(data: Any, schema: Schema, verb: str, also: Schema | None = None) -> xr.Dataset:
    """``with_dims`` of ``schema`` and of what is to come ``also``; ValueError unless ``data`` is a Dataset that has the
    variables of ``schema`` along its dims and at most along the components of a vector besides."""
    if isinstance(data, xr.Dataset) and set(schema) <= set(data.data_vars):
        back = with_dims(data, {**(also or {}), **schema})
        beyond = {name: back[name].dims[len(dims) :] for name, dims in schema.items()}
        fits = all(set(dims) <= set(back[name].dims) for name, dims in schema.items())
        if fits and all(more in ((), (f"{name}_dim",), ("x_dim",)) for name, more in beyond.items()):
            return back
    *before, last = schema
    names = " and ".join(filter(None, [", ".join(before), last]))
    dims = ", ".join(max(schema.values(), key=len))
    raise ValueError(f"what is given has no {names} by {dims}; give a Dataset that {verb} returned.")


def judged_paths(trace: Any, *needed: str) -> xr.Dataset:
    """A trace whose variables are all by variant, start and step; ValueError unless it has those ``needed``, or any."""
    known = trace.data_vars.items() if isinstance(trace, xr.Dataset) else ()
    also = {str(name): PATH_DIMS for name, column in known if "step" in column.dims}
    schema = dict.fromkeys(needed or list(also)[:1] or ["loss"], PATH_DIMS)
    return judged(trace, schema, "run", also)


def coordinates(data: xr.Dataset | xr.DataArray, dims: Sequence[str]) -> dict[str, xr.DataArray]:
    """The coordinates that lie along ``dims`` alone."""
    return {str(k): v for k, v in data.coords.items() if set(v.dims) <= set(dims)}

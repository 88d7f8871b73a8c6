"""NetCDF files that nobody vouches for, read as the Datasets of ``run`` and ``solve``: numbers and text alone."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

MOST_BYTES = 2**30  # of a file, and of what it unfolds to
MOST_VARIABLES = 1000
MOST_TEXTS = 20_000  # in one variable
MOST_ATTRIBUTES = 1000
MOST_CHARACTERS = 1_000_000  # of one attribute, and of all texts of one variable
ADVICE = "give a file that thalweg run or solve wrote with --out"


def read_archive(file: str | Path) -> xr.Dataset:
    """The Dataset in a NetCDF file of ``--out``, all of it in memory; ValueError in one sentence for any other file.

    Nothing is followed out of the file, unpickled or run, and sizes are known before anything is read.
    """
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"{path} is no file; {ADVICE}.")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(
            f"{path} has {path.stat().st_size:,} bytes, but a report reads {MOST_BYTES:,}; thin the trace."
        )
    try:
        with h5py.File(path, "r") as archive:
            _check(archive, path)
        data = xr.load_dataset(
            path, engine="h5netcdf", decode_times=False, decode_timedelta=False, mask_and_scale=False
        )
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} cannot be read as NetCDF; {ADVICE}.") from error
    except Exception as error:  # whatever a library says of a file that is none of its own
        raise ValueError(f"{path} cannot be read as NetCDF; {ADVICE}.") from error
    _check_dataset(data, path)
    return data


def _check(archive: Any, path: Path) -> None:
    """ValueError for what is no plain variable, or too large."""
    if len(archive) > MOST_VARIABLES:
        raise ValueError(f"{path} has {len(archive)} variables, more than a trace; {ADVICE}.")
    _check_attributes(archive, path)
    total = 0
    for name in archive:
        if not isinstance(archive.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{path} has a link to elsewhere, {name!r}, which is not followed; {ADVICE}.")
        column: Any = archive[name]
        if not isinstance(column, h5py.Dataset) or column.external or column.is_virtual:
            raise ValueError(f"{path} has {name!r}, which is no variable of its own; {ADVICE}.")
        _check_attributes(column, path)
        size = int(column.size or 0)
        textual = h5py.check_string_dtype(column.dtype) is not None
        if not textual and column.dtype.kind not in "fiub":
            raise ValueError(f"{path} has {name!r}, which is neither numbers nor text; {ADVICE}.")
        if textual and size > MOST_TEXTS:
            raise ValueError(f"{path} has {size:,} texts in {name!r}, more than a trace; {ADVICE}.")
        total += size * column.dtype.itemsize + (_characters(column, path) if textual else 0)
        if total > MOST_BYTES:
            raise ValueError(f"{path} unfolds to over {MOST_BYTES:,} bytes; thin the trace, or select starts of it.")


def _characters(column: Any, path: Path) -> int:
    """Of texts of any length, which may all be one and the same in the file; one is read at a time."""
    if column.dtype.kind == "S":  # of one length, in which they are counted already
        return 0
    total = 0
    for at in np.ndindex(column.shape):
        total += len(column[at])
        if total > MOST_CHARACTERS:
            raise ValueError(f"{path} has over {MOST_CHARACTERS:,} characters in one variable; {ADVICE}.")
    return total


def _check_attributes(thing: Any, path: Path) -> None:
    if len(thing.attrs) > MOST_ATTRIBUTES:
        raise ValueError(f"{path} has {len(thing.attrs)} attributes in one place, more than a trace; {ADVICE}.")
    for name in thing.attrs:
        size = thing.attrs.get_id(name).get_storage_size()
        if size > MOST_CHARACTERS:
            raise ValueError(f"{path} has an attribute of {size:,} bytes, more than a trace; {ADVICE}.")


def _check_dataset(data: xr.Dataset, path: Path) -> None:
    """ValueError where a report would not find what it reads."""
    lanes = {"variant", "method", "start"} <= set(data.coords) and {"x", "loss"} <= set(data.data_vars)
    kinds = lanes and all(data[name].dtype.kind == "f" for name in ("x", "loss"))
    if not kinds or not ("step" in data.coords or "outcome" in data):
        raise ValueError(f"{path} has no x and loss by variant and start; {ADVICE}.")
    if 0 in data["loss"].shape or 0 in data["x"].shape:
        raise ValueError(f"{path} has nothing in it; {ADVICE}.")
    for name in ("outcome", "reason") if "outcome" in data else ():
        meanings = data[name].attrs.get("flag_meanings", "") if name in data else ""
        codes = data[name].values if name in data else np.zeros(0)
        if not isinstance(meanings, str) or codes.dtype.kind not in "iu" or not codes.size:
            raise ValueError(f"{path} does not say what {name} means; {ADVICE}.")
        if codes.min() < 0 or codes.max() >= len(meanings.split()):
            raise ValueError(f"{path} has codes of {name} without a meaning; {ADVICE}.")

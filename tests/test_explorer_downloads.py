"""What a page hands over: of each tab its data, and code of public names that makes the same."""

import io

import numpy as np
import pytest
import xarray as xr

from thalweg.web.desk import Desk
from thalweg.web.scene import Scene
from thalweg.web.shelf import Shelf

GD = "gradient_descent:learning_rate=0.01"
WELL = {"problem": "double_well", "methods": ["gradient_descent:learning_rate=0.2"], "steps": 20}
VALLEY = {"problem": "himmelblau", "methods": [GD, "newton:learning_rate=0.5;1"], "steps": 20, "key": 2}
MORE = {"problem": "rosenbrock:d=3", "methods": [GD, "bfgs"], "steps": 20, "key": 1}
LEARNT = {"problem": "pbdl", "methods": ["adam:learning_rate=0.01", "inverse_simulator", "newton"], "steps": 6}
TABLE = "t,s\n0,5.1\n1,3.2\n2,1.9\n3,1.2\n4,0.7\n5,0.5\n"
FIT = {"name": "own.csv", "model": "a*exp(-k*t)", "y": "s", "start": "a=4,k=0.3", "bounds": "k=0:", "sigma": ""}
LESSON = {"physics": "sine", "width": 4, "batch": 8, "rule": "adam:learning_rate=0.01"}
RANGE = {"method": 0, "parameter": "learning_rate", "low": 0.2, "high": 0.5, "values": 40, "steps": 50}
CASES = {
    "basins": ("many starts", VALLEY, {"variant": 2, "max_steps": 50, "grid": 12, "box": [[-3, 3], [0, 4]]}, "fits"),
    "all": ("many starts", VALLEY, {"variant": 0, "max_steps": 50, "grid": 9, "box": None}, "fits"),
    "random": ("many starts", MORE, {"variant": 1, "max_steps": 50, "count": 30}, "fits"),
    "range": ("step size", WELL, {**RANGE, "keep": 9}, "diagram"),
    "decades": ("step size", VALLEY, {**RANGE, "low": 1e-4, "high": 1e-2, "steps": None, "keep": None}, "diagram"),
    "compare": ("compare", VALLEY, {"count": 25, "max_steps": 60}, "fits"),
    "fit": ("fit", WELL, FIT, "found"),
    "robust": ("fit", WELL, {**FIT, "start": "", "bounds": "", "loss": "huber", "scale": "0.1"}, "found"),
    "train": ("train", LEARNT, LESSON, "trace"),
}


@pytest.mark.parametrize(
    "tab, state, more, name",
    [
        pytest.param(*case, id=key, marks=[] if key in ("range", "fit") else pytest.mark.slow)
        for key, case in CASES.items()
    ],
)
def test_the_code_and_the_data_are_what_is_shown(tab, state, more, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text(TABLE)
    desk, scene = Desk(Shelf()), Scene.read(state)

    def ask(what, **given):
        return desk.questions[what](scene, {**given, **more}, lambda done, total: True)

    if tab == "fit":
        ask("fit", table=TABLE, name="own.csv")
    names: dict = {}
    exec(ask("code", tab=tab)["text"], names)
    made = names[name].fits if tab == "fit" else names[name]
    with xr.open_dataset(io.BytesIO(ask("file", tab=tab)["bytes"].tobytes()), engine="h5netcdf") as data:
        assert list(data.variant.values) == list(made.variant.values)
        np.testing.assert_array_equal(data["x"].values, made["x"].values)
        np.testing.assert_array_equal(data["loss"].values, made["loss"].values)


@pytest.mark.parametrize("what", ["code", "file"])
@pytest.mark.parametrize("tab, sentence", [("tables", "is not a tab"), (3, "is not a tab"), ("fit", "fit|model")])
def test_what_no_tab_shows_is_refused(what, tab, sentence):
    with pytest.raises(ValueError, match=sentence):
        Desk(Shelf()).questions[what](Scene.read(WELL), {"tab": tab}, lambda done, total: True)

"""The moving picture of the README: ``python docs/movie.py`` writes ``docs/paths.webp``."""

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageSequence

import thalweg as tw

FRAMES, WIDTH = 40, 840
problem = tw.problems.himmelblau()
trace = tw.run(
    problem,
    {
        "gradient descent": tw.methods.gradient_descent(0.004),
        "momentum": tw.methods.momentum(0.002, momentum=0.9),
        "Adam": tw.methods.adam(0.25),
        "Newton, saddle-free": tw.methods.Newton(0.2, saddle_free=True),
    },
    starts=[[0.375, -0.75]],
    steps=FRAMES,
)
movie = tw.plot.animate(trace, problem, view=("surface", "contour"))
with TemporaryDirectory() as folder:  # as a GIF it is megabytes, as WebP of this size a tenth of that
    movie.save(Path(folder) / "paths.gif", fps=8)
    with Image.open(Path(folder) / "paths.gif") as whole:
        size = (WIDTH, round(WIDTH * whole.height / whole.width))
        frames = [frame.convert("RGB").resize(size) for frame in ImageSequence.Iterator(whole)]
first, *others = [*frames, *frames[-1:] * 8]
path = Path(__file__).with_name("paths.webp")
first.save(path, save_all=True, append_images=others, duration=125, loop=0, quality=55, method=6)

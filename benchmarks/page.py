"""The page of ``thalweg explore`` in a browser: from a click to its first frame, and frames while paths play.

Six methods of 500 steps on Rosenbrock's function, once compiled. Seconds from the click of a person to the first frame
with the new paths, the median of 50; then frames per second of one play. Then seconds until all of a tab is drawn, when
it is opened first and its programs are compiled, and for another learning rate: the basins of 256 x 256 starts of
Newton's method on Himmelblau's function, and 1000 learning rates of gradient descent on the double well, 1000 steps,
exponents and a map of 96 x 96. Headless Chromium draws without a graphics card, on the cores that compute, too.
"""

import argparse
import shutil
import socket
import statistics
import threading
import time
from urllib.parse import urlencode

import uvicorn
from playwright.sync_api import sync_playwright

from thalweg.web.server import application

METHODS = ["gradient_descent:learning_rate=0.001", "momentum:learning_rate=0.001,momentum=0.9",
           "adam:learning_rate=0.05", "rmsprop:learning_rate=0.01", "newton", "bfgs"]  # fmt: skip
PAGE = "document.querySelector('.thalweg').explorer"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=50)
    given = parser.parse_args()
    with socket.socket() as listener, sync_playwright() as running:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(application(port), log_level="error", ws="websockets-sansio", lifespan="off")
        )
        threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        part = urlencode([("problem", "rosenbrock"), ("steps", 500), *(("method", word) for word in METHODS)])
        page.goto(f"http://127.0.0.1:{port}/#{part}")
        page.wait_for_selector("[data-ready]", timeout=120_000)
        for click in range(given.clicks + 1):
            before = page.get_attribute(".thalweg", "data-ready")
            at = {"x": 120 + 37 * click % 400, "y": 80 + 53 * click % 200}
            page.locator(".pane canvas").first.click(position=at)
            ready = "n => document.querySelector('.thalweg').dataset.ready !== n"
            page.wait_for_function(ready, arg=before, timeout=60_000)
        times = page.evaluate(f"{PAGE}.shown.timings")[1:]
        page.evaluate(f"{PAGE}.shown.player.play()")
        page.wait_for_function(f"() => !{PAGE}.shown.player.playing", timeout=60_000)
        frames = page.evaluate(f"{PAGE}.shown.player.frames")[1:]
        tabs = {}
        for problem, method, tab in (
            ("himmelblau", "newton:learning_rate=", "many starts"),
            ("double_well", "gradient_descent:learning_rate=", "step size"),
        ):
            tabs[tab] = []
            for rate in ("0.9", "0.8"):
                page.goto("about:blank")
                state = [("problem", problem), ("method", method + rate), ("tab", tab)]
                began = time.perf_counter()
                page.goto(f"http://127.0.0.1:{port}/#{urlencode(state)}")
                page.wait_for_selector("[data-ready]", timeout=120_000)
                tabs[tab].append(time.perf_counter() - began)
        browser.close()
        server.should_exit = True
    print(f"## Page\n\n{__doc__}")
    print(f"| click to first frame, median of {len(times)} | slowest of them | frames per second | slowest frame |")
    print("| ---: | ---: | ---: | ---: |")
    rate = 1000 * len(frames) / sum(frames)
    print(f"| {statistics.median(times):.0f} ms | {max(times):.0f} ms | {rate:.0f} | {max(frames):.0f} ms |")
    print("\n| tab | opened first | with another learning rate |\n| --- | ---: | ---: |")
    for tab, (first, again) in tabs.items():
        print(f"| {tab} | {first:.2f} s | {again:.2f} s |")


if __name__ == "__main__":
    main()

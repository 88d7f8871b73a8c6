"""The page as a widget: a notebook that is executed, and its widget in a browser with the kernel behind it."""

import base64
import queue
import time

import numpy as np
import pytest

import thalweg as tw

pytestmark = pytest.mark.browser
CELL = """
import thalweg as tw
tw.explore(tw.problems.pbdl(), [tw.methods.gradient_descent(0.05), "inverse_simulator:learning_rate=0.3"], steps=30)
"""
# The model that a notebook hands to a widget: its state, and messages to the kernel and from it.
MODEL = """
window.sent = [];
window.told = {};
window.hear = (content, buffers) => (told["msg:custom"] ?? []).forEach((call) => call(content,
  buffers.map((one) => new DataView(Uint8Array.from(atob(one), (c) => c.charCodeAt(0)).buffer))));
window.model = {
  get: (name) => window.state[name],
  set: (name, value) => (window.state[name] = value),
  save_changes: () => {},
  on: (name, call) => (told[name] ??= []).push(call),
  off: (name, call) => (told[name] = (told[name] ?? []).filter((one) => one !== call)),
  send: (content) => window.sent.push(content),
};
"""


@pytest.fixture
def kernel():
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def heard(client, seconds):
    """Messages of the kernel until none comes."""
    while True:
        try:
            yield client.get_iopub_msg(timeout=seconds)
        except queue.Empty:
            return


def test_the_notebook_is_executed():
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    (shown,) = book.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]


def test_the_widget_draws_what_the_kernel_runs(kernel, chromium):
    number = kernel.execute(CELL)
    states, view = {}, None
    deadline = time.monotonic() + 120
    while view is None and time.monotonic() < deadline:
        for message in heard(kernel, 0.5):
            content = message["content"]
            if message["msg_type"] == "comm_open":
                states[content["comm_id"]] = dict(content["data"]["state"])
            elif message["msg_type"] == "comm_msg" and content["data"].get("method") == "update":
                states[content["comm_id"]].update(content["data"]["state"])
            elif message["msg_type"] == "display_data" or message["msg_type"] == "execute_result":
                view = content["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
            assert message["msg_type"] != "error", content
    assert number and view in states and states[view]["address"].startswith("#problem=pbdl")
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", offline=True)
    page, wrong = context.new_page(), []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.set_content(f"<style>{states[view]['_css']}</style><div id='cell'></div>")
    page.evaluate("state => (window.state = state)", {"address": states[view]["address"]})
    page.evaluate(MODEL)
    page.evaluate(
        """source => import(URL.createObjectURL(new Blob([source], {type: "text/javascript"})))
           .then((module) => module.default.render({model: window.model, el: document.getElementById("cell")}))
           .then(() => 0, (error) => { window.wrong = String(error); }) && 0""",
        states[view]["_esm"],
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not page.locator("[data-ready]").count():
        for content in page.evaluate("window.sent.splice(0)"):
            data = {"method": "custom", "content": content}
            kernel.shell_channel.send(kernel.session.msg("comm_msg", {"comm_id": view, "data": data}))
        for message in heard(kernel, 0.1):
            content = message["content"]
            assert message["msg_type"] != "error", content
            if message["msg_type"] == "comm_msg" and content["data"].get("method") == "custom":
                parts = [base64.b64encode(bytes(part)).decode() for part in message["buffers"]]
                page.evaluate("([content, parts]) => hear(content, parts)", [content["data"]["content"], parts])
    assert wrong == [] and page.evaluate("window.wrong") is None
    found = page.evaluate(
        "(() => { const a = document.querySelector('.thalweg').explorer.shown.result.panes[0].points;"
        " return [Array.from(a), a.shape]; })()"
    )
    methods = [tw.methods.gradient_descent(0.05), tw.methods.InverseSimulator(learning_rate=0.3)]
    trace = tw.run(tw.problems.pbdl(), methods, steps=30)
    np.testing.assert_array_equal(np.reshape(found[0], found[1]), trace.x.values[:, 0])
    context.close()

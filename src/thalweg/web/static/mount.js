// Where the page stands: on its own, or in a notebook.

/** On a page of its own, whose address has the state. */
function mount(root) {
  const state = stateOf(location.hash || root.dataset.first || "");
  let page = null;
  const wire = new Wire(
    () => {
      page?.link.drop();
      if (page) page.lost.hidden = false;
    },
    () => {
      if (page && !page.lost.hidden) {
        page.lost.hidden = true;
        page.open();
      }
    },
  );
  const keep = (now) => history.replaceState(null, "", addressOf(now));
  page = new Explorer(root, new Link(wire), state, keep);
  window.addEventListener("hashchange", () => {
    Object.assign(state, stateOf(location.hash));
    page.open();
  });
  root.explorer = page;
}

/** In a notebook: the model has the state, and Python behind it answers. */
async function render({ model, el }) {
  if (!globalThis.Plotly) await plotlyFrom(model);
  const state = { ...stateOf(model.get("address")) };
  const keep = (now) => {
    model.set("address", addressOf(now));
    model.save_changes();
  };
  const root = make("div", {});
  el.append(root);
  root.explorer = new Explorer(root, new Link(new Kernel(model)), state, keep);
}

/** plotly.js as Python has it installed, so that a notebook needs no network. */
function plotlyFrom(model) {
  globalThis.thalwegPlotly ??= new Promise((done) => {
    const take = (header, buffers) => {
      if (header.plotly !== true) return;
      model.off("msg:custom", take);
      const source = new TextDecoder().decode(buffers[0]);
      const define = globalThis.define;
      globalThis.define = undefined; // or plotly would be given to a loader of modules, and not to this page
      (0, eval)(source);
      globalThis.define = define;
      done();
    };
    model.on("msg:custom", take);
    model.send({ plotly: true });
  });
  return globalThis.thalwegPlotly;
}

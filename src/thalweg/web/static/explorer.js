// The page: state and address, questions and views.

const TABS = [["paths", "Paths"]];
const PAUSE = 60; // milliseconds between two pointings that are asked about

class Explorer {
  constructor(root, link, state, keep) {
    Object.assign(this, { root, link, state, keep, panes: [], asked: {} });
    this.controls = new Controls(root, state, (part) => this.changed(part));
    this.player = new Player((row) => this.draw(row));
    this.curves = new Curves(root, (row) => this.player.scrub(row));
    this.views = make("div", { class: "views" });
    this.table = make("div", { class: "table" });
    this.work = make("progress", { hidden: true, max: 1 });
    this.doing = make("span", { class: "doing", role: "status" });
    this.halt = make("button", { hidden: true, type: "button", onclick: () => link.stop() }, "stop");
    this.lost = make("p", { class: "lost", role: "alert", hidden: true }, "The server is gone. Start thalweg explore again; the page will find it.");
    this.timings = [];
    root.classList.add("thalweg");
    root.replaceChildren(this.head(), this.lost,
      make("div", { class: "desk" }, this.controls.element,
        make("main", {}, this.views, make("div", { class: "lower" }, this.player.element, make("div", { class: "halves" }, this.curves.element, this.table)))));
    root.addEventListener("keydown", (event) => {
      if (event.key === " " && !/^(INPUT|SELECT|BUTTON|TEXTAREA|SUMMARY)$/.test(event.target.tagName)) {
        event.preventDefault();
        this.player.toggle();
      }
    });
    new ResizeObserver(() => this.fit()).observe(this.views);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolor());
    this.open();
  }

  head() {
    const save = (name, words) => make("button", { type: "button", onclick: () => this.save(name) }, words);
    const theme = make("button", { type: "button", title: "light or dark", "aria-label": "light or dark", onclick: () => {
      this.root.dataset.theme = isDark(this.root) ? "light" : "dark";
      this.recolor();
    } }, "◐");
    return make("header", { class: "top" }, make("h1", {}, "thalweg"), this.work, this.doing, this.halt,
      make("nav", {}, save("file", "trace"), save("png", "PNG"), save("svg", "SVG"), save("code", "Python"), theme));
  }

  /** Ask, and tell of it while it takes long; null where it was refused or stopped. */
  async ask(what, more = {}, slot = what) {
    const mine = (this.asked[slot] = {});
    const busy = setTimeout(() => this.busy(what), 250);
    try {
      const view = await this.link.ask(what, this.state, { ...more, slot }, (done, total) => {
        this.work.hidden = this.halt.hidden = false;
        this.work.value = done / total;
        this.doing.textContent = `${what}: ${done} of ${total}`;
      });
      if (this.asked[slot] !== mine) return null;
      this.controls.refuse("");
      return view;
    } catch (error) {
      if (error instanceof Refused && this.asked[slot] === mine) this.controls.refuse(error.message);
      else if (!(error instanceof Refused || error instanceof Stopped)) throw error;
      return null;
    } finally {
      clearTimeout(busy);
      if (this.asked[slot] === mine) {
        this.work.hidden = this.halt.hidden = true;
        this.doing.textContent = "";
      }
    }
  }

  busy(what) {
    this.work.removeAttribute("value");
    this.work.hidden = this.halt.hidden = false;
    this.doing.textContent = what === "problem" ? "reading the problem" : "compiling";
  }

  async open() {
    const view = await this.ask("problem");
    if (!view) return;
    this.view = view;
    this.controls.describe(view);
    this.panes = view.panes.map((described, index) => new Pane(this.root, index, described, {
      choose: (place) => this.choose(index, place),
      look: (place) => this.look(index, place),
      move: (box, brief) => this.move(index, box, brief),
    }));
    this.views.replaceChildren(...this.panes.map((pane) => pane.element));
    await this.run();
  }

  changed(part) {
    this.keep(this.state);
    if (part === "problem") this.open();
    else this.run(performance.now());
  }

  /** The paths of the state; `since` is when the person asked. */
  async run(since = null) {
    const view = await this.ask("paths");
    if (!view) return;
    this.result = view;
    const index = new Map(this.state.methods.map((_, i) => [i, i]));
    const labels = [...new Set(view.method)];
    this.colors = view.variants.map((_, v) => colorOf(view.variants.length === labels.length ? labels.indexOf(view.method[v]) : v, isDark(this.root)));
    this.hidden = this.hidden?.length === view.variants.length ? this.hidden : view.variants.map(() => false);
    this.panes.forEach((pane, i) => pane.setPaths({ ...view.panes[i], colors: this.colors, shown: this.hidden.map((h) => !h) }));
    const rows = view.loss.shape[1];
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const grounds = this.panes.map((_, i) => this.ground(i, since !== null));
    this.player.begin(rows, !still);
    if (since !== null) requestAnimationFrame(() => this.timings.push(performance.now() - since));
    await Promise.all(grounds);
    await this.curves.set(view.loss, this.colors, this.hidden.map((h) => !h), this.view.units.loss);
    this.player.show();
    this.rows(await this.ask("table"));
    this.root.dataset.ready = String(Number(this.root.dataset.ready || 0) + 1);
  }

  /** The ground of a pane, anew where its box or the plane it lies in has changed. */
  async ground(i, settled) {
    const pane = this.panes[i];
    const box = this.state.boxes[i] ?? (settled && pane.box && pane.kind !== "cut" && pane.space === "x" ? pane.box : this.result.panes[i].box);
    const same = pane.view && pane.kind !== "cut" && JSON.stringify(box) === JSON.stringify(pane.view.box);
    if (same) return;
    if (!pane.view) await pane.setGround(null, box, this.view.units);
    const view = await this.ask("ground", { pane: i, box }, `ground ${i}`);
    if (view) await pane.setGround(view, view.box, this.view.units);
  }

  move(i, box, brief = false) {
    const pane = this.panes[i];
    const next = box ?? this.result.panes[i].box;
    if (box) this.state.boxes[i] = box.map((side) => side.map((end) => Number(end.toPrecision(6))));
    else delete this.state.boxes[i];
    pane.box = next;
    Plotly.relayout(pane.plot, { "xaxis.range": next[0], ...(pane.flat ? { "yaxis.range": next[1] } : {}) }).then(() => pane.draw());
    clearTimeout(this.later);
    if (!brief) this.later = setTimeout(() => (this.keep(this.state), this.ground(i, false)), 150);
  }

  async choose(i, place) {
    const pane = this.panes[i];
    if (pane.space !== "x") return;
    const since = performance.now();
    if (pane.kind === "cut") {
      const found = await this.ask("facts", { pane: i, at: place }, "choice");
      if (!found) return;
      this.state.start = [...found.x];
    } else this.state.start = place.slice(0, pane.flat ? 2 : 1).map((value) => Number(value.toPrecision(6)));
    this.keep(this.state);
    this.controls.show();
    await this.run(since);
  }

  look(i, place) {
    const pane = this.panes[i];
    if (pane.space !== "x" || this.looking) return;
    this.looking = true;
    setTimeout(() => (this.looking = false), PAUSE);
    const at = place.slice(0, pane.flat ? 2 : 1);
    this.link.ask("facts", this.state, { pane: i, at, slot: "facts" }).then((found) => {
      const limit = Math.max(...[...this.result.limits].filter(Number.isFinite));
      const edge = Number.isFinite(limit) ? ` (limit ${short(limit, 3)})` : "";
      const where = pane.kind === "cut" ? "" : `${pane.space} = ${at.map((value) => short(value, 3)).join(", ")}   `;
      pane.readout.textContent = `${where}loss ${short(found.loss)}   |gradient| ${short(found.slope, 3)}   sharpness ${short(found.sharpness, 3)}${edge}`;
    }, () => {});
  }

  draw(row) {
    for (const pane of this.panes) pane.draw(row);
    this.curves.draw(row);
  }

  rows(view) {
    if (!view) return;
    const heads = { final_loss: "last loss", best_loss: "lowest", distance: "distance", alignment: "alignment", outcome: "outcome", steps: "99 % after" };
    const cell = (name, i) => (typeof view[name][i] === "string" ? view[name][i] : short(view[name][i], 4));
    const body = view.variants.map((name, i) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = this.colors[i];
      const shown = make("input", { type: "checkbox", checked: !this.hidden[i], "aria-label": `show ${name}`, onchange: () => this.toggle(i, !shown.checked) });
      return make("tr", {}, make("th", { scope: "row" }, make("label", {}, shown, swatch, name.replaceAll("_", " "))), ...view.columns.map((column) => make("td", {}, cell(column, i))));
    });
    this.table.replaceChildren(make("table", {},
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "method"), ...view.columns.map((name) => make("th", { scope: "col" }, heads[name] ?? name)))),
      make("tbody", {}, ...body)));
  }

  toggle(i, hidden) {
    this.hidden[i] = hidden;
    const shown = this.hidden.map((h) => !h);
    for (const pane of this.panes) pane.paths.shown = shown;
    this.curves.set(this.result.loss, this.colors, shown, this.view.units.loss);
    this.draw(this.player.row);
  }

  fit() {
    for (const pane of [...this.panes, this.curves]) if (pane.plot._fullLayout) Plotly.Plots.resize(pane.plot).then(() => pane.draw(this.player.row));
  }

  async recolor() {
    if (!this.result) return;
    this.controls.show();
    const view = this.result;
    const labels = [...new Set(view.method)];
    this.colors = view.variants.map((_, v) => colorOf(view.variants.length === labels.length ? labels.indexOf(view.method[v]) : v, isDark(this.root)));
    for (const pane of this.panes) {
      pane.paths.colors = this.colors;
      await pane.setGround(pane.view, pane.box, this.view.units);
    }
    await this.curves.set(view.loss, this.colors, this.hidden.map((h) => !h), this.view.units.loss);
    this.draw(this.player.row);
    this.rows(await this.ask("table"));
  }

  async save(what) {
    if (what === "file" || what === "code") {
      const view = await this.ask(what);
      if (!view) return;
      if (what === "file") return download(new Blob([view.bytes]), view.name);
      return download(new Blob([view.text], { type: "text/x-python" }), "explore.py");
    }
    const pictures = await Promise.all(this.panes.map((pane) => pictureOf(pane, what)));
    pictures.forEach((blob, i) => download(blob, `${this.panes[i].space}.${what}`));
  }
}

/** A view with its paths as plotly draws them, as PNG or SVG. */
async function pictureOf(pane, format) {
  const { points, colors, shown } = pane.paths;
  const rows = points.shape[1];
  const lines = colors.map((color, v) => {
    const part = points.subarray(2 * v * rows, 2 * (v + 1) * rows);
    const side = (k) => Array.from({ length: rows }, (_, i) => (Number.isFinite(part[2 * i + k]) ? part[2 * i + k] : null));
    return { x: side(0), y: side(1), mode: "lines+markers", line: { color, width: 2 }, marker: { size: 4 }, visible: shown[v] };
  });
  const stars = { x: [], y: [], mode: "markers", marker: { symbol: "star", size: 13, color: STAR, line: { width: 1, color: "#333" } } };
  for (let i = 0; i < (pane.minima?.shape[0] ?? 0); i++) {
    stars.x.push(pane.minima[2 * i]);
    stars.y.push(pane.minima[2 * i + 1]);
  }
  const size = { width: pane.plot.clientWidth, height: pane.plot.clientHeight };
  const figure = { data: [...pane.plot.data, ...lines, stars], layout: { ...pane.plot.layout, ...size, paper_bgcolor: styleOf(pane.root, "--page") } };
  const address = await Plotly.toImage(figure, { format, ...size, scale: format === "png" ? 2 : 1 });
  const coded = address.slice(address.indexOf(",") + 1);
  return format === "svg" ? new Blob([decodeURIComponent(coded)], { type: "image/svg+xml" })
    : new Blob([Uint8Array.from(atob(coded), (c) => c.charCodeAt(0))], { type: "image/png" });
}

function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** On a page of its own, whose address has the state. */
function mount(root) {
  const state = stateOf(location.hash || root.dataset.first || "");
  let page = null;
  const wire = new Wire(
    () => { page?.link.drop(); if (page) page.lost.hidden = false; },
    () => { if (page && !page.lost.hidden) { page.lost.hidden = true; page.open(); } },
  );
  const keep = (now) => history.replaceState(null, "", addressOf(now));
  page = new Explorer(root, new Link(wire), state, keep);
  window.addEventListener("hashchange", () => { Object.assign(state, stateOf(location.hash)); page.open(); });
  root.explorer = page;
}

/** In a notebook: the model has the state, and Python behind it answers. */
async function render({ model, el }) {
  if (!globalThis.Plotly) await plotlyFrom(model);
  const state = { ...stateOf(model.get("address")) };
  const keep = (now) => { model.set("address", addressOf(now)); model.save_changes(); };
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

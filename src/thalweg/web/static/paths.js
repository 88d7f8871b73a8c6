// The paths of all methods from one start: in x, in y beside it, and on the loss curve.

const PAUSE = 60; // milliseconds between two pointings that are asked about

class Paths {
  static title = "paths";

  constructor(page) {
    Object.assign(this, { page, root: page.root, panes: [], timings: [], hidden: [] });
    this.player = new Player((row) => this.draw(row));
    this.curves = new Curves(this.root, (row) => this.player.scrub(row));
    this.views = make("div", { class: "views" });
    this.table = make("div", { class: "table" });
    this.element = make(
      "div",
      { class: "tab" },
      this.views,
      make(
        "div",
        { class: "lower" },
        this.player.element,
        make("div", { class: "halves" }, this.curves.element, this.table),
      ),
    );
    this.root.addEventListener("keydown", (event) => {
      if (
        event.key === " " &&
        !this.element.hidden &&
        !/^(INPUT|SELECT|BUTTON|TEXTAREA|SUMMARY)$/.test(event.target.tagName)
      ) {
        event.preventDefault();
        this.player.toggle();
      }
    });
  }

  /** Panes for a new problem. */
  open(view) {
    this.result = null;
    this.panes = view.panes.map(
      (described, index) =>
        new Pane(this.root, index, described, {
          choose: (place) => this.choose(index, place),
          look: (place) => this.look(index, place),
          move: (box, brief) => this.move(index, box, brief),
          turn: () => this.turn(),
        }),
    );
    this.views.replaceChildren(...this.panes.map((pane) => pane.element));
  }

  /** `part` is what has changed; `since` when the person asked. */
  async show(part, since = performance.now()) {
    const scene = JSON.stringify(sceneOf(this.page.state));
    if (part === "tab" && this.judged && this.scene === scene) {
      this.fit();
      return;
    }
    const fresh = !this.result;
    this.judged = null;
    const view = await this.page.ask("paths");
    if (!view) return;
    Object.assign(this, { result: view, scene });
    if (this.hidden.length !== view.variants.length) this.hidden = view.variants.map(() => false);
    this.paint();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const grounds = this.panes.map((_, i) => this.ground(i, !fresh));
    this.player.begin(view.loss.shape[1], !still);
    if (!fresh) requestAnimationFrame(() => this.timings.push(performance.now() - since));
    await Promise.all(grounds);
    await this.curves.set(view.loss, this.colors, this.visible, this.page.view.units.loss);
    this.player.show();
    this.judged = await this.page.ask("table");
    this.rows();
    this.page.done();
  }

  get visible() {
    return this.hidden.map((hidden) => !hidden);
  }

  /** A color for each method, or for each variant where methods have several. */
  paint() {
    const { variants, method } = this.result;
    const labels = [...new Set(method)];
    const each = variants.length === labels.length;
    this.colors = variants.map((_, v) => colorOf(each ? labels.indexOf(method[v]) : v, this.page.dark));
    this.panes.forEach((pane, i) =>
      pane.setPaths({ ...this.result.panes[i], loss: this.result.loss, colors: this.colors, shown: this.visible }),
    );
  }

  /** The ground of a pane, anew where its box or the plane it lies in has changed. */
  async ground(i, settled) {
    const pane = this.panes[i];
    const stays = settled && pane.box && pane.kind !== "cut" && pane.space === "x";
    const box = this.page.state.boxes[i] ?? (stays ? pane.box : this.result.panes[i].box);
    if (pane.view && pane.kind !== "cut" && JSON.stringify(box) === JSON.stringify(pane.view.box)) return;
    const { units } = this.page.view;
    if (!pane.view) await pane.setGround(null, box, units);
    const view = await this.page.ask("ground", { pane: i, box }, `ground ${i}`);
    if (view) await pane.setGround(view, view.box, units, this.solid);
  }

  get solid() {
    return this.page.state.view === "surface";
  }

  /** From contours to surfaces and back. */
  async turn() {
    const { state, view } = this.page;
    state.view = this.solid ? "contour" : "surface";
    this.page.keep(state);
    for (const pane of this.panes) await pane.setGround(pane.view, pane.box, view.units, this.solid);
    this.draw(this.player.row);
    this.page.done();
  }

  move(i, box, brief = false) {
    const pane = this.panes[i];
    const { state } = this.page;
    const next = box ?? this.result.panes[i].box;
    if (box) state.boxes[i] = box.map((side) => side.map((end) => Number(end.toPrecision(6))));
    else delete state.boxes[i];
    pane.box = next;
    const ranges = { "xaxis.range": next[0], ...(pane.flat ? { "yaxis.range": next[1] } : {}) };
    Plotly.relayout(pane.plot, ranges).then(() => pane.draw());
    clearTimeout(this.later);
    if (!brief) this.later = setTimeout(() => (this.page.keep(state), this.ground(i, false)), 150);
  }

  /** A person has pointed at a start. */
  async choose(i, place) {
    const [pane, { state }, since] = [this.panes[i], this.page, performance.now()];
    if (pane.space !== "x") return;
    if (pane.kind === "cut") {
      const found = await this.page.ask("facts", { pane: i, at: place }, "choice");
      if (!found) return;
      state.start = [...found.x];
    } else state.start = place.slice(0, pane.flat ? 2 : 1).map((value) => Number(value.toPrecision(6)));
    this.page.keep(state);
    this.page.controls.show();
    await this.show("start", since);
  }

  look(i, place) {
    const pane = this.panes[i];
    if (pane.space !== "x" || this.looking || !this.result) return;
    this.looking = true;
    setTimeout(() => (this.looking = false), PAUSE);
    const at = place.slice(0, pane.flat ? 2 : 1);
    const told = (found) => {
      const limits = [...this.result.limits].filter(Number.isFinite);
      const edge = limits.length ? ` (limit ${short(Math.min(...limits), 3)})` : "";
      const where = pane.kind === "cut" ? "" : `${pane.space} = ${at.map((value) => short(value, 3)).join(", ")}   `;
      pane.readout.textContent =
        `${where}loss ${short(found.loss)}   |gradient| ${short(found.slope, 3)}   ` +
        `sharpness ${short(found.sharpness, 3)}${edge}`;
    };
    this.page.link.ask("facts", this.page.state, { pane: i, at, slot: "facts" }).then(told, () => {});
  }

  draw(row) {
    for (const pane of this.panes) pane.draw(row);
    this.curves.draw(row);
  }

  /** The table: who won, and how each ended. */
  rows() {
    const view = this.judged;
    if (!view) return;
    const lower = view.best_loss.some((loss, i) => loss !== view.final_loss[i]);
    const columns = view.columns.filter((name) => name !== "best_loss" || lower);
    const heads = {
      final_loss: "last loss",
      best_loss: "lowest",
      distance: "distance",
      alignment: "alignment",
      outcome: "outcome",
      steps: "99 % after",
    };
    const cell = (name, i) => (typeof view[name][i] === "string" ? view[name][i] : short(view[name][i], 3));
    const body = view.variants.map((name, i) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = this.colors[i];
      const shown = make("input", {
        type: "checkbox",
        checked: !this.hidden[i],
        "aria-label": `show ${name}`,
        onchange: () => this.toggle(i, !shown.checked),
      });
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, make("label", {}, shown, swatch, name.replaceAll("_", " "))),
        ...columns.map((column) => make("td", {}, cell(column, i))),
      );
    });
    this.table.replaceChildren(
      make(
        "table",
        {},
        make(
          "thead",
          {},
          make(
            "tr",
            {},
            make("th", { scope: "col" }, "method"),
            ...columns.map((name) => make("th", { scope: "col" }, heads[name] ?? name)),
          ),
        ),
        make("tbody", {}, ...body),
      ),
    );
  }

  toggle(i, hidden) {
    this.hidden[i] = hidden;
    for (const pane of this.panes) pane.paths.shown = this.visible;
    this.curves.set(this.result.loss, this.colors, this.visible, this.page.view.units.loss);
    this.draw(this.player.row);
  }

  fit() {
    for (const pane of [...this.panes, this.curves]) {
      if (pane.plot._fullLayout) Plotly.Plots.resize(pane.plot).then(() => pane.draw(this.player.row));
    }
  }

  async recolor() {
    if (!this.result) return;
    this.paint();
    for (const pane of this.panes) await pane.setGround(pane.view, pane.box, this.page.view.units, this.solid);
    await this.curves.set(this.result.loss, this.colors, this.visible, this.page.view.units.loss);
    this.draw(this.player.row);
    this.rows();
  }

  pictures(format) {
    return Promise.all(this.panes.map(async (pane) => [pane.space, await pictureOf(pane, format)]));
  }
}

// Many starts of one method: the basin each lies in, and the losses that they end with.

const SIDES = [32, 256]; // of the image, which comes coarse and then fine
const LISTED = 12; // basins of the table
const MARKS = {
  minimum: "circle-open",
  saddle: "x-thin-open",
  maximum: "triangle-up-open",
  "saddle or maximum": "x-thin-open",
};
const NOTHING = 1e-7; // of the extent of the starts, below which a component of an end is called 0
const BOX = "of.starts.box";
const VARIANT = "of.starts.variant";
const STEPS = "of.starts.steps";
const COUNT = "of.starts.count";

class ManyStarts {
  static title = "many starts";

  constructor(page) {
    Object.assign(this, { page, root: page.root });
    const changed = () => this.show("settings");
    this.variant = settingOf(page, VARIANT, "method", "choice", "", changed);
    this.steps = settingOf(page, STEPS, "steps at most", "number", 200, changed);
    this.count = settingOf(page, COUNT, "random starts", "number", 1000, changed);
    this.told = make("p", { class: "known", role: "status" });
    this.spread = new Spread(this.root);
    this.table = make("div", { class: "table" });
    this.body = make("div", { class: "halves even" });
    this.element = make(
      "div",
      { class: "tab" },
      make("div", { class: "settings" }, this.variant.element, this.steps.element, this.count.element, this.told),
      this.body,
    );
  }

  open(view) {
    const { state } = this.page;
    const box = state[BOX];
    if (this.problem && this.problem.word !== state.problem && this.problem.box === box) delete state[BOX];
    this.problem = { word: state.problem, box: state[BOX] };
    Object.assign(this, { view: null, key: "", plane: view.dimension === 2 });
    this.count.element.hidden = this.plane;
    this.table.replaceChildren();
    this.told.textContent = "";
    if (this.plane) {
      this.pane = new Pane(this.root, "starts", view.panes[0], {
        choose: (place) => this.choose(place),
        look: (place) => this.look(place),
        move: (to, brief) => this.move(to, brief),
      });
      this.pane.title.textContent = "basins in x";
      this.pane.element.classList.add("image");
      this.pane.setPaths({ points: { shape: [0, 0, 2] }, colors: [], shown: [] });
    }
    const beside = [this.spread.element, this.table];
    const parts = this.plane ? [this.pane.element, make("div", { class: "stack" }, ...beside)] : beside;
    this.body.replaceChildren(...parts);
  }

  /** The box a person has moved to, else the one of the paths; null is where the problem lives. */
  get box() {
    const { state } = this.page;
    if (!state[BOX]) return state.boxes[0]?.length === 2 ? state.boxes[0] : null;
    const ends = state[BOX].split(",").map(Number);
    return [ends.slice(0, 2), ends.slice(2)];
  }

  async show(part) {
    const { page } = this;
    const known = await page.ask("variants", {}, "starts");
    if (!known) return;
    this.offer(known.variants);
    const variant = known.variants.indexOf(this.variant.field.value);
    const more = { variant, max_steps: Number(this.steps.field.value) };
    if (!this.plane) more.count = Number(this.count.field.value);
    this.asks = { ...more, ...(this.plane ? { grid: SIDES.at(-1), box: this.box } : {}) };
    const { problem, methods, key, dtype } = page.state;
    const whole = JSON.stringify([problem, methods, key, dtype, more, this.plane && this.box]);
    if (whole !== this.key) {
      for (const grid of this.plane ? SIDES : [0]) {
        const view = await page.ask("starts", { ...more, ...(grid ? { grid, box: this.box } : {}) }, "starts");
        if (!view || view.interrupted) return;
        await this.draw(view);
      }
      this.key = whole;
    } else if (part === "tab") this.fit();
    page.done();
  }

  /** The variants there are; the first where the chosen one is gone. */
  offer(names) {
    const chosen = names.includes(this.page.state[VARIANT]) ? this.page.state[VARIANT] : names[0];
    this.variant.field.replaceChildren(
      ...names.map((name) => make("option", { value: name, selected: name === chosen }, name.replaceAll("_", " "))),
    );
  }

  async draw(view) {
    this.view = view;
    this.colors = areasOf(view.many, this.page.dark);
    if (this.plane) await this.image(view);
    await this.spread.set(view, this.colors, this.page.view.units.loss);
    this.rows(view);
    const [basin, boundary] = view.entropies;
    let entropies = Number.isFinite(basin) ? `, basin entropy ${short(basin, 3)}` : "";
    if (Number.isFinite(boundary)) entropies += `, boundary entropy ${short(boundary, 3)}`;
    if (boundary > Math.LN2) entropies += " (fractal: above log 2)";
    this.told.textContent = `${view.loss.length} starts in ${short(view.seconds, 2)} s${entropies}`;
  }

  get nowhere() {
    return NOWHERE[this.page.dark ? "dark" : "light"];
  }

  async image(view) {
    const { pane } = this;
    const side = view.sides[0].length;
    const many = Math.min(view.many, 255);
    const shade = (label) => (label < 0 ? 0 : 1 + Math.floor((label * many) / view.many));
    const z = Array.from({ length: side }, (_, row) =>
      Array.from({ length: side }, (_, column) => shade(view.label[column * side + row])),
    );
    const colors = [this.nowhere, ...areasOf(many, this.page.dark)];
    const colorscale = colors.flatMap((color, i) => [
      [i / colors.length, color],
      [(i + 1) / colors.length, color],
    ]);
    const [x, y] = view.sides;
    const data = [{ type: "heatmap", x, y, z, colorscale, zmin: -0.5, zmax: colors.length - 0.5, showscale: false }];
    for (const [kind, symbol] of Object.entries(MARKS)) {
      const at = view.kinds.flatMap((word, i) => (word === kind ? [i] : []));
      const crowd = view.many > AREAS.length ? 0.5 : 1;
      const marks = { x: at.map((i) => view.ends[2 * i]), y: at.map((i) => view.ends[2 * i + 1]), mode: "markers" };
      const size = (kind === "minimum" ? 19 : 9) * crowd;
      for (const [width, color] of [
        [4.5, styleOf(this.root, "--page")],
        [2, styleOf(this.root, "--ink")],
      ]) {
        data.push({ ...marks, marker: { symbol, size, color, line: { width: width * crowd, color } } });
      }
    }
    pane.box = view.box;
    pane.minima = this.page.view.minima;
    const { labels, units } = pane;
    await Plotly.react(
      pane.plot,
      data,
      layoutOf(this.root, {
        xaxis: { range: view.box[0], title: { text: withUnits(labels[0], units) } },
        yaxis: { range: view.box[1], title: { text: withUnits(labels[1], units) } },
      }),
      PLAIN,
    );
    pane.draw();
  }

  /** The table of the ends, which is the legend. */
  rows(view) {
    const swatch = (color) => {
      const square = make("span", { class: "swatch" });
      square.style.background = color;
      return square;
    };
    const row = (color, name, ...cells) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, make("label", {}, swatch(color), name)),
        ...cells.map((cell) => make("td", {}, cell)),
      );
    const percent = (share) => `${short(100 * share, 3)} %`;
    const wide = view.ends.shape[1];
    const dots = this.page.view.dimension > wide ? ", …" : "";
    const none = view.region[0].map((low, k) => NOTHING * (view.region[1][k] - low));
    const said = (value, k) => (Math.abs(value) < none[k] ? "0" : short(value, 4));
    const place = (i) => {
      const words = Array.from(view.ends.subarray(i * wide, (i + 1) * wide), said).join(", ");
      return wide > 1 ? `(${words}${dots})` : words;
    };
    const listed = Math.min(view.many, LISTED);
    const body = Array.from({ length: listed }, (_, i) =>
      row(this.colors[i], String(i), percent(view.shares[i]), short(view.losses[i]), place(i), view.kinds[i]),
    );
    const lost = view.label.reduce((sum, label) => sum + (label < 0), 0);
    if (view.many > listed) {
      const shown = view.shares.subarray(0, listed).reduce((sum, share) => sum + share, 0);
      const rest = 1 - lost / view.label.length - shown;
      body.push(row("transparent", `${view.many - listed} more`, percent(rest), "", "", ""));
    }
    if (lost) body.push(row(this.nowhere, "none reached", percent(lost / view.label.length), "", "", "", ""));
    const heads = ["basin", "share of starts", "loss", "end", "which is a"];
    const marks = this.plane ? "★ known minimum   ○ found minimum   × saddle point   △ maximum" : "";
    const fates = lost ? `None reached: ${this.fates(view)}. ` : "";
    this.table.replaceChildren(
      make(
        "table",
        {},
        make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, ...body),
      ),
      make("p", { class: "known" }, view.lost || fates + marks),
    );
  }

  /** What became of the starts that reached none. */
  fates({ label, outcome, outcomes }) {
    const counts = outcomes.map(() => 0);
    label.forEach((one, start) => (counts[outcome[start]] += one < 0));
    return outcomes.flatMap((word, code) => (counts[code] ? [`${counts[code]} ${word}`] : [])).join(", ");
  }

  /** The number of the start whose cell a place lies in. */
  nearest(place) {
    const steps = this.view.sides.map((side, k) => {
      const at = Math.round(((place[k] - side[0]) / (side[side.length - 1] - side[0])) * (side.length - 1));
      return Math.max(0, Math.min(side.length - 1, at));
    });
    const { sides } = this.view;
    return { start: steps.map((step, k) => sides[k][step]), number: steps[0] * sides[1].length + steps[1] };
  }

  look(place) {
    const { view } = this;
    if (!view?.sides.length) return;
    const { start, number } = this.nearest(place);
    const point = (values) => `(${Array.from(values, (value) => short(value, 3)).join(", ")})`;
    const label = view.label[number];
    const fate = view.outcomes[view.outcome[number]];
    this.pane.readout.textContent =
      `${point(start)} → ${point(view.end.subarray(2 * number, 2 * number + 2))}   ` +
      `loss ${short(view.loss[number], 3)}   ${label < 0 ? fate : `basin ${label}`}   ${view.steps[number]} steps`;
  }

  /** A person has pointed at a start, whose paths they see. */
  choose(place) {
    if (!this.view?.sides.length) return;
    const { page } = this;
    page.state.start = this.nearest(place).start;
    page.link.stop();
    page.controls.show();
    page.select("paths");
  }

  move(box, brief = false) {
    const { page, pane } = this;
    if (box)
      page.state[BOX] = box
        .flat()
        .map((end) => Number(end.toPrecision(9)))
        .join(",");
    else delete page.state[BOX];
    const { region } = this.view;
    const next = box ?? this.box ?? [0, 1].map((k) => [region[0][k], region[1][k]]);
    pane.box = next;
    this.problem.box = page.state[BOX];
    Plotly.relayout(pane.plot, { "xaxis.range": next[0], "yaxis.range": next[1] }).then(() => pane.draw());
    clearTimeout(this.later);
    if (!brief) this.later = setTimeout(() => (page.keep(page.state), this.show("box")), 150);
  }

  fit() {
    this.spread.chart.fit();
    if (this.pane?.plot._fullLayout && this.plane) Plotly.Plots.resize(this.pane.plot).then(() => this.pane.draw());
  }

  async recolor() {
    if (this.view) await this.draw(this.view);
  }

  async pictures(format) {
    if (!this.view) return [];
    const shown = [...(this.plane ? [["basins", this.pane]] : []), ["losses", this.spread.chart]];
    return Promise.all(shown.map(async ([name, pane]) => [name, await pictureOf(pane, format)]));
  }
}

// Networks in front of physics: the losses of every method as they come, and one step in weights, controls and results.

const FIRST_PART = 16; // steps; each next part has twice as many
const FALLS = ["adam:learning_rate=0.01", "inverse_simulator", "jacobian_power:kappa=0.5,truncation=1e-6"];
const LESSON = { physics: "sine", width: "16", batch: "32", rule: "adam:learning_rate=0.01" };

class Train {
  static title = "train";

  constructor(page) {
    Object.assign(this, { page, root: page.root, curves: [], paces: new Map() });
    this.form();
    this.losses = chartOf("loss of all examples", "tall");
    this.axis = make(
      "select",
      { "aria-label": "axis", onchange: () => (this.set("axis", this.axis.value), this.time()) },
      make("option", { value: "step" }, "against steps"),
      make("option", { value: "seconds" }, "against seconds"),
    );
    this.losses.element.querySelector("header").append(this.axis);
    this.table = make("div", { class: "table" });
    this.weights = chartOf("weights x");
    this.spaces = [chartOf("controls u"), chartOf("results y")];
    this.slider = make("input", {
      id: "train-step",
      type: "range",
      min: 0,
      max: 1,
      step: 1,
      value: 0,
      "aria-label": "step that is drawn",
    });
    this.slider.addEventListener("input", () => (this.set("step", this.slider.value), this.move()));
    this.told = make("output", {}, "");
    this.step = make(
      "div",
      { hidden: true },
      make("div", { class: "player" }, make("h3", {}, "one step"), this.slider, this.told),
      make("div", { class: "views" }, this.weights.element, ...this.spaces.map((space) => space.element)),
      (this.key = make("div", { class: "key" })),
    );
    this.element = make(
      "div",
      { class: "tab" },
      this.asked,
      make(
        "div",
        { class: "fit" },
        make("div", {}, this.losses.element),
        make("div", {}, this.known, this.table, this.left),
      ),
      this.step,
    );
  }

  get(name) {
    return this.page.state[`of.train.${name}`] ?? LESSON[name];
  }

  set(name, value) {
    if (value && value !== LESSON[name]) this.page.state[`of.train.${name}`] = value;
    else delete this.page.state[`of.train.${name}`];
    this.page.keep(this.page.state);
  }

  form() {
    const changed = (name) => () => (
      this.set(name, this[name].value.trim()),
      this.set("step", ""),
      this.show("lesson")
    );
    this.physics = make("select", { id: "train-physics", onchange: changed("physics") });
    this.width = make("input", { id: "train-width", type: "number", min: 1, max: 64, onchange: changed("width") });
    this.batch = make("input", { id: "train-batch", type: "number", min: 1, max: 128, onchange: changed("batch") });
    this.rule = make("input", {
      id: "train-rule",
      class: "code",
      spellcheck: "false",
      autocomplete: "off",
      onchange: changed("rule"),
      title: "how the network follows the targets of inverse_simulator",
    });
    this.known = make("p", { class: "known" });
    this.left = make("p", { class: "known" });
    const usual = make(
      "button",
      {
        type: "button",
        title: "Adam, scale-invariant training and half-inverse gradients",
        onclick: () => {
          this.page.state.methods.splice(0, Infinity, ...FALLS);
          this.page.controls.show();
          this.page.changed("methods");
        },
      },
      "methods that train",
    );
    const field = (name, words, kind = "") =>
      make("label", { for: `train-${name}`, class: kind }, make("span", {}, words), this[name]);
    this.asked = make(
      "form",
      { class: "asked", onsubmit: (event) => event.preventDefault() },
      make(
        "div",
        { class: "fields" },
        field("physics", "physics"),
        field("width", "neurons of two layers"),
        field("batch", "batch"),
        field("rule", "network behind an inverse simulator", "half"),
        usual,
      ),
    );
  }

  lesson(more = {}) {
    return {
      physics: this.get("physics"),
      width: Number(this.get("width")),
      batch: Number(this.get("batch")),
      rule: this.get("rule"),
      ...more,
    };
  }

  /** What its downloads are of. */
  get asks() {
    return this.lesson();
  }

  get asking() {
    return JSON.stringify([this.lesson(), sceneOf(this.page.state)]);
  }

  async show(part) {
    if (part === "tab" && this.trained === this.asking) {
      this.fit();
      this.page.done();
      return;
    }
    this.trained = this.asking;
    const turn = (this.turn = {});
    for (const name of ["physics", "width", "batch", "rule"]) this[name].value = this.get(name);
    const view = await this.page.ask("lesson", this.lesson(), "lesson");
    if (!view || this.turn !== turn) return this.failed(turn);
    this.describe(view);
    const { steps } = this.page.state;
    this.curves = view.learners.map(({ word }) => ({ word, variants: [], loss: null }));
    for (let many = Math.min(FIRST_PART, steps); ; many = Math.min(2 * many, steps)) {
      for (const curve of this.curves) {
        const got = await this.page.ask("train", this.lesson({ method: curve.word, steps: many }), "train");
        if (this.turn !== turn) return;
        if (!got) return this.failed(turn);
        Object.assign(curve, got);
        await this.draw();
        if (got.interrupted) return this.failed(turn);
      }
      if (many === steps) break;
    }
    this.slider.max = steps - 1;
    this.slider.value = Math.min(Number(this.get("step") ?? 0), steps - 1);
    await this.move();
    if (this.turn === turn && this.get("axis") === "seconds") await this.time();
    if (this.turn === turn) this.page.done();
  }

  /** What was refused or stopped can be asked for again. */
  failed(turn) {
    if (this.turn === turn) this.trained = null;
    this.page.done();
  }

  describe(view) {
    this.physics.replaceChildren(...view.physics.map(([name]) => make("option", { value: name }, name)));
    this.physics.value = this.get("physics");
    const [u, y] = view.spaces;
    const says = view.physics.find(([name]) => name === this.get("physics"))[1];
    this.known.textContent =
      `${says}; a network of ${view.dimension} weights says ` +
      `${u[1]} control${u[1] > 1 ? "s" : ""} u for each of ` +
      `${view.examples} examples, physics makes ${y[1]} result${y[1] > 1 ? "s" : ""} y of them`;
    const few = view.learners.length ? "" : " No method of the page trains a network: choose those that train.";
    this.left.textContent = view.left.join(" ") + few;
    this.left.hidden = !this.left.textContent;
    this.axis.value = this.get("axis") ?? "step";
    this.step.hidden = true;
    this.table.hidden = !view.learners.length;
  }

  /** Every variant with its color, by the word of its method where it is alone. */
  get lanes() {
    const drawn = this.curves.filter((curve) => curve.loss);
    const each = drawn.every((curve) => curve.variants.length === 1);
    return drawn
      .flatMap((curve) =>
        curve.variants.map((name, v) => ({
          word: curve.word,
          name: (curve.variants.length > 1 ? name.replace(/ inner_\w+=\S+/g, "") : partsOf(curve.word).name).replaceAll(
            "_",
            " ",
          ),
          loss: curve.loss.subarray(v * curve.loss.shape[1], (v + 1) * curve.loss.shape[1]),
          pace: this.paces.get(this.paced(curve.word))?.[v],
        })),
      )
      .map((lane, i) => ({
        ...lane,
        color: colorOf(each ? this.page.state.methods.indexOf(lane.word) : i, this.page.dark),
      }));
  }

  paced(word) {
    return JSON.stringify([this.lesson(), this.page.state.dtype, word]);
  }

  /** The seconds of a step of each method by itself, measured once. */
  async time() {
    const turn = this.turn;
    if (this.get("axis") === "seconds") {
      for (const { word } of this.curves) {
        if (this.paces.has(this.paced(word))) continue;
        const view = await this.page.ask("pace", this.lesson({ method: word }), "pace");
        if (!view || this.turn !== turn) return;
        this.paces.set(this.paced(word), view.seconds);
      }
    }
    await this.draw();
    this.page.done();
  }

  async draw() {
    const { lanes } = this;
    const timed = this.get("axis") === "seconds" && lanes.every((lane) => lane.pace > 0);
    const data = lanes.map((lane) => ({
      x: Array.from(lane.loss, (_, i) => (timed ? i * lane.pace : i)),
      y: Array.from(lane.loss, (value) => (value > 0 && Number.isFinite(value) ? value : null)),
      mode: "lines",
      line: { color: lane.color, width: 2 },
    }));
    const start = Math.max(...lanes.map((lane) => lane.loss[0]).filter(Number.isFinite));
    const range = rangeOf(
      lanes.flatMap((lane) => [...lane.loss].filter((value) => !(value > 1000 * start))),
      true,
    );
    const last = timed ? Math.max(...lanes.map((lane) => lane.pace * (lane.loss.length - 1))) : this.page.state.steps;
    await Plotly.react(
      this.losses.plot,
      data,
      layoutOf(this.root, {
        xaxis: { range: [0, last], title: { text: timed ? withUnits("time of all steps", "s") : "step" } },
        yaxis: {
          type: "log",
          range,
          title: { text: withUnits("loss", this.page.view.units.loss) },
          dtick: ticksOf(range, 6),
        },
        shapes:
          timed || this.step.hidden
            ? []
            : [
                {
                  type: "line",
                  x0: this.slider.value,
                  x1: this.slider.value,
                  yref: "paper",
                  y0: 0,
                  y1: 1,
                  line: { color: styleOf(this.root, "--faint"), width: 1, dash: "dot" },
                },
              ],
      }),
      PLAIN,
    );
    this.rows();
  }

  rows() {
    const [view, timed] = [this.moved, this.get("axis") === "seconds"];
    const body = this.lanes.map((lane, i) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = lane.color;
      const one =
        view && !this.step.hidden
          ? [`${short(view.losses[2 * i], 2)} → ${short(view.losses[2 * i + 1], 2)}`, short(view.lengths[i], 3)]
          : ["", ""];
      if (timed) one[1] = lane.pace > 0 ? `${short(1000 * lane.pace, 2)} ms` : "–";
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, make("label", {}, swatch, lane.name)),
        make("td", { class: "strong" }, short(lane.loss.at(-1), 3)),
        ...one.map((text) => make("td", {}, text)),
      );
    });
    const heads = ["method", "last loss", "step below", timed ? "takes" : "|Δx|"];
    this.table.replaceChildren(
      make(
        "table",
        {},
        make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
        make("tbody", {}, ...body),
      ),
    );
  }

  /** One step of every method, in every space. */
  async move() {
    if (!this.curves.length) return;
    const turn = this.turn;
    const view = await this.page.ask("moves", this.lesson({ step: Number(this.slider.value) }), "moves");
    if (!view || this.turn !== turn) return;
    this.moved = view;
    this.step.hidden = false;
    this.told.textContent = `step ${view.step} to ${view.step + 1}`;
    await this.paint();
    this.page.done();
  }

  async paint() {
    const view = this.moved;
    const many = view.variants.length;
    let seen = "";
    const arrows = Array.from({ length: many }, (_, v) => [
      [
        [0, 0],
        [view.plane[2 * v], view.plane[2 * v + 1]],
      ],
    ]);
    const share = [...view.shares].map((part, i) => `direction ${i + 1} (${Math.round(100 * part)} %)`);
    await this.frame(this.weights, arrows, [], [], share, true);
    for (const [i, space] of view.spaces.entries()) {
      const chart = this.spaces[i];
      const [, , examples] = space.points.shape;
      const at = (array, index) => [array[2 * index], array[2 * index + 1]];
      const every = Array.from({ length: examples }, (_, e) => e);
      const moves = Array.from({ length: many }, (_, v) =>
        every.map((e) => [0, 1].map((k) => at(space.points, (2 * v + k) * examples + e))),
      );
      const aims = Array.from({ length: many }, (_, v) => every.map((e) => at(space.aims, v * examples + e)));
      await this.frame(
        chart,
        moves,
        aims,
        every.map((e) => at(space.targets, e)),
        space.labels,
      );
      chart.words.textContent = space.components > 2 ? `2 of ${space.components} components` : "";
      seen = `${examples} of ${space.batch}`;
    }
    this.weights.words.textContent = "moves from one origin";
    const ink = styleOf(this.root, "--ink");
    this.key.replaceChildren(
      ...this.lanes.map((lane) => keyOf(lane.name, lane.color)),
      keyOf(`before, ${seen} examples of a batch`, styleOf(this.root, "--faint"), "ring"),
      make("span", { class: "said" }, make("b", {}, "+"), "target of an example"),
      make("span", { class: "said" }, make("b", {}, "×"), "where an inverse simulator aims"),
    );
    this.key.style.color = ink;
    await this.draw();
  }

  /** Arrows (variant, example, [before, after]), the aims of each variant, and targets; lost ones are left out. */
  async frame(chart, moves, aims, targets, labels, square = false) {
    const fine = ([x, y]) => Number.isFinite(x) && Number.isFinite(y);
    const calm = moves.filter((_, v) => !(this.moved.losses[2 * v + 1] > this.moved.losses[2 * v]));
    const heads = (calm.length ? calm : moves).flat().map((pair) => pair[1]);
    const near = [...moves.flat().map((pair) => pair[0]), ...targets, ...aims.flat(), ...heads].filter(fine);
    const ranges = [0, 1].map((side) =>
      rangeOf(
        near.map((point) => point[side]),
        false,
        0.1,
      ),
    );
    const [faint, { lanes }] = [styleOf(this.root, "--faint"), this];
    const dots = (points, marker) => ({
      x: points.map((p) => p[0]),
      y: points.map((p) => p[1]),
      mode: "markers",
      marker,
    });
    const starts = moves
      .flat()
      .map((pair) => pair[0])
      .filter(fine);
    const data = [dots(starts, { symbol: "circle-open", size: 6, color: faint })];
    moves.forEach((pairs, v) => {
      const { color } = lanes[v];
      const whole = pairs.filter((pair) => pair.every(fine));
      data.push({
        x: whole.flatMap(([a, b]) => [a[0], b[0], null]),
        y: whole.flatMap(([a, b]) => [a[1], b[1], null]),
        mode: "lines+markers",
        line: { color, width: square ? 2.4 : 1.4 },
        marker: {
          color,
          opacity: 1,
          line: { width: 0 },
          symbol: "arrow",
          angleref: "previous",
          size: whole.flatMap(() => [0, square ? 12 : 8, 0]),
        },
      });
      if (aims[v]?.some(fine))
        data.push(dots(aims[v].filter(fine), { symbol: "x-thin", size: 6, line: { color, width: 1.3 } }));
    });
    if (targets.some(fine))
      data.push(
        dots(targets, { symbol: "cross-thin", size: 8, line: { color: styleOf(this.root, "--ink"), width: 1.3 } }),
      );
    await Plotly.react(
      chart.plot,
      data,
      layoutOf(this.root, {
        xaxis: { range: ranges[0], title: { text: labels[0] }, nticks: 6 },
        yaxis: { range: ranges[1], title: { text: labels[1] }, nticks: 6, ...(square ? { scaleanchor: "x" } : {}) },
      }),
      PLAIN,
    );
  }

  fit() {
    for (const { plot } of [this.losses, this.weights, ...this.spaces]) {
      if (plot._fullLayout && plot.clientWidth) Plotly.Plots.resize(plot);
    }
  }

  recolor() {
    if (this.moved && !this.step.hidden) this.paint();
    else if (this.curves.some((curve) => curve.loss)) this.draw();
  }

  pictures(format) {
    const charts = [
      ["losses", this.losses],
      ["weights", this.weights],
      ["controls", this.spaces[0]],
      ["results", this.spaces[1]],
    ];
    const drawn = charts.filter(([, { plot }]) => plot._fullLayout && plot.clientWidth);
    return Promise.all(drawn.map(async ([name, { plot }]) => [name, await imageOf(this.root, plot, format)]));
  }
}

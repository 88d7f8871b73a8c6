// What a method does by the value of one of its numbers, most often the learning rate.

class StepSizes {
  static title = "step size";

  constructor(page) {
    Object.assign(this, { page, root: page.root, keys: {} });
    const put = (more) => (value) => this.put(more(value));
    const count = (name) => put((value) => ({ [name]: value.trim() }));
    const range = (name, low, high) => () => {
      const ends = [this[low].value, this[high].value].map((end) => end.trim());
      const fine = ends.every((end) => end !== "" && Number.isFinite(Number(end)));
      this.put({ [name]: fine ? ends.map(Number).join(",") : "" });
    };
    const fresh = { range: "", second: "", second_range: "" };
    const first = range("range", "low", "high");
    const other = range("second_range", "low2", "high2");
    const settings = make(
      "div",
      { class: "settings" },
      this.labeled(
        "method",
        "method",
        "select",
        put((value) => ({ method: value, parameter: "", ...fresh })),
      ),
      this.labeled(
        "parameter",
        "number",
        "select",
        put((value) => ({ parameter: value, ...fresh })),
      ),
      this.labeled("low", "from", "input", first),
      this.labeled("high", "to", "input", first),
      this.labeled("values", "values", "input", count("values")),
      this.labeled("steps", "steps", "input", count("steps")),
      this.labeled("keep", "iterates kept", "input", count("keep")),
      this.labeled(
        "component",
        "shown",
        "select",
        put((value) => ({ component: value })),
      ),
    );
    const choice = make(
      "div",
      { class: "settings" },
      this.labeled(
        "second",
        "over",
        "select",
        put((value) => ({ second: value, second_range: "" })),
      ),
      this.labeled("low2", "from", "input", other),
      this.labeled("high2", "to", "input", other),
    );
    this.diagram = new SweepDiagram(this.root, {
      look: (value) => this.look(value),
      take: (value) => this.take(value),
      range: (low, high) =>
        this.put({
          range: low === null ? "" : [low, high].map((end) => Number(end.toPrecision(6))).join(","),
        }),
    });
    this.map = new SweepMap(
      this.root,
      {
        look: (value, second) => this.look(value, second),
        take: (value, second) => this.take(value, second),
      },
      choice,
    );
    const views = make("div", { class: "sweeps" }, this.diagram.element, this.map.element);
    this.element = make("div", { class: "tab" }, settings, views);
  }

  /** A field or a choice by its name, under its words. */
  labeled(name, words, tag, changed) {
    const field = make(tag, { id: `size-${name}`, autocomplete: "off", spellcheck: "false" });
    field.addEventListener("change", () => changed(field.value));
    this[name] = field;
    return make("label", { for: field.id }, make("span", {}, words), field);
  }

  /** A setting of this tab, which the address has; "" where it is as at first. */
  of(name) {
    return this.page.state[`of.size.${name}`] ?? "";
  }

  set(settings) {
    for (const [name, value] of Object.entries(settings)) {
      if (value === "") delete this.page.state[`of.size.${name}`];
      else this.page.state[`of.size.${name}`] = String(value);
    }
    this.page.keep(this.page.state);
  }

  put(settings) {
    this.set(settings);
    this.show("setting");
  }

  /** A new problem: other settings suit it than those made for another one. */
  open(view) {
    if (this.of("problem") && this.of("problem") !== this.page.state.problem) {
      const own = ["problem", "parameter", "range", "second", "second_range", "component", "steps", "keep", "values"];
      this.set(Object.fromEntries(own.map((name) => [name, ""])));
    }
    this.keys = {};
    const labels = [...view.components, "loss"];
    this.component.replaceChildren(
      ...labels.map((label, i) => make("option", { value: i < view.components.length ? i : view.dimension }, label)),
    );
  }

  get index() {
    return Math.min(Math.max(0, Math.round(Number(this.of("method"))) || 0), this.page.state.methods.length - 1);
  }

  /** What the method has; the ranges once as they are at first, so that taking a value over moves no range. */
  async know() {
    const known = await this.page.ask("numbers", { method: this.index }, "size numbers");
    if (!known) return null;
    this.set({ problem: this.page.state.problem });
    let parameter = this.of("parameter");
    if (!known.names.includes(parameter)) {
      parameter = known.names[0];
      this.set({ parameter, range: "", second: "", second_range: "" });
    }
    const others = [...known.names.filter((name) => name !== parameter), "start"];
    if (!others.includes(this.of("second"))) this.set({ second: others[0], second_range: "" });
    const first = (name) => (name === "start" ? known.starts : known.ranges[known.names.indexOf(name)]).join(",");
    if (!this.of("range")) this.set({ range: first(parameter) });
    if (!this.of("second_range")) this.set({ second_range: first(this.of("second")) });
    return { ...known, parameter, others };
  }

  async show(part) {
    if (part === "tab") this.fit();
    const turn = (this.turn = {});
    const known = await this.know();
    if (!known || this.turn !== turn) return;
    this.known = known;
    this.fill();
    this.mark();
    const whole = (name) => (this.of(name) === "" ? null : Number(this.of(name)));
    const [low, high] = this.of("range").split(",").map(Number);
    const [low2, high2] = this.of("second_range").split(",").map(Number);
    const asked = { method: this.index, parameter: known.parameter, low, high, steps: whole("steps") };
    const lines = { ...asked, ...(whole("values") === null ? {} : { values: whole("values") }) };
    const second = this.of("second");
    const points = { ...lines, keep: whole("keep"), component: whole("component") ?? 0 };
    const moved = [known.parameter];
    this.asks = points;
    if (this.keys.lyapunov !== this.held(moved, lines)) this.diagram.exponent = null;
    const first = await this.once("bifurcation", moved, points, (view) => this.drawn(view));
    if (!first || this.turn !== turn) return; // whose refusal another answer would take from the page
    const drawn = await Promise.all([
      this.once("lyapunov", moved, lines, (view) => this.parted(view)),
      this.once("losses", [...moved, second], { ...asked, second, low2, high2 }, (view) => this.mapped(view)),
    ]);
    if (this.turn === turn && drawn.every(Boolean)) this.page.done();
  }

  /** All that decides what is drawn: not the `moved` numbers, which take many values. */
  held(moved, more) {
    const { problem, methods, start, dtype, key } = this.page.state;
    const { name, numbers } = partsOf(methods[this.index]);
    const rest = [...numbers].filter(([number]) => !moved.includes(number));
    const place = moved.includes("start") ? start?.slice(1) : start;
    return JSON.stringify([problem, place, dtype, key, name, rest, more]);
  }

  /** Ask what has not been answered yet. */
  async once(what, moved, more, draw) {
    const held = this.held(moved, more);
    if (this.keys[what] === held) return true;
    const view = await this.page.ask(what, more, `size ${what}`);
    if (!view) return false;
    if (!view.interrupted) this.keys[what] = held;
    await draw(view);
    return true;
  }

  async drawn(view) {
    this.values.placeholder = view.values.length;
    this.steps.placeholder = view.steps;
    this.keep.placeholder = view.keep;
    this.diagram.title.textContent = `the last ${view.keep} of ${view.steps} steps`;
    await this.diagram.set(view, this.known.parameter, this.page.view.units);
    this.tell();
  }

  async parted(view) {
    this.diagram.exponent = view.exponent;
    this.says = view.says;
    await this.diagram.render();
    this.tell();
  }

  async mapped(view) {
    this.map.title.textContent = `loss after ${view.steps} steps`;
    const names = [spoken(this.known.parameter), this.spokenSecond(view.name)];
    await this.map.set(view, names, this.page.view.units);
  }

  spokenSecond(name) {
    const { components, units } = this.page.view;
    return name === "start" ? withUnits(`start ${components[0]}`, units.x) : spoken(name);
  }

  /** One line below the diagram: the limit, or why there is none. */
  tell() {
    const { view } = this.diagram;
    if (!view) return;
    const reached = view.limits.map((value) => short(value)).join(", ");
    const sharp = `the method's limit is the sharpness at ${view.where}, ${short(view.curvature)}`;
    const limit = reached ? `At ${spoken(this.known.parameter)} = ${reached} ${sharp}.` : view.says;
    const ways = "▲ is the present value; click for another, drag for a range.";
    this.diagram.note.textContent = [limit, this.says, ways].filter(Boolean).join(" ");
  }

  fill() {
    const { known } = this;
    const { methods } = this.page.state;
    const plain = (name) => name.replaceAll("_", " ");
    const options = (select, values, words, chosen) => {
      select.replaceChildren(...values.map((value, i) => make("option", { value }, words[i])));
      select.value = chosen;
    };
    options(
      this.method,
      [...methods.keys()],
      methods.map((word) => plain(partsOf(word).name)),
      this.index,
    );
    options(this.parameter, known.names, known.names.map(plain), known.parameter);
    options(
      this.second,
      known.others,
      known.others.map((name) => this.spokenSecond(name)),
      this.of("second"),
    );
    [this.low.value, this.high.value] = this.of("range").split(",");
    [this.low2.value, this.high2.value] = this.of("second_range").split(",");
    for (const name of ["values", "steps", "keep"]) this[name].value = this.of(name);
    this.component.value = this.of("component") || "0";
  }

  /** The present values. */
  mark() {
    const { known } = this;
    const value = (name) => known.values[known.names.indexOf(name)];
    const second = this.of("second");
    const start = (this.page.state.start ?? this.page.view.start)[0];
    this.diagram.present = value(known.parameter);
    this.map.present = [value(known.parameter), second === "start" ? start : value(second)];
    this.diagram.draw();
    this.map.draw();
  }

  look(value, second = null) {
    this.diagram.look(value);
    this.map.look(value, second);
  }

  /** A person has chosen a value: it goes into the word of the method, or the start. */
  take(value, second = null) {
    const { state } = this.page;
    const parts = partsOf(state.methods[this.index]);
    const plain = (number) => Number(number.toPrecision(5));
    parts.numbers.set(this.known.parameter, String(plain(value)));
    if (second !== null && this.of("second") === "start") {
      state.start = [...(state.start ?? this.page.view.start)];
      state.start[0] = plain(second);
    } else if (second !== null) parts.numbers.set(this.of("second"), String(plain(second)));
    state.methods[this.index] = wordOf(parts);
    this.page.keep(state);
    this.page.controls.show();
    this.show("taken");
  }

  fit() {
    for (const part of [this.diagram, this.map]) {
      if (!part.plot._fullLayout) continue;
      Plotly.Plots.resize(part.plot).then(() => (part.paint?.(), part.draw()));
    }
  }

  async recolor() {
    await this.diagram.render();
    await this.map.render();
  }

  async pictures(format) {
    const found = [];
    for (const [name, part] of [
      ["step-size", this.diagram],
      ["last-loss", this.map],
    ]) {
      if (part.view) found.push([name, await pictureOfSweep(part, format)]);
    }
    return found;
  }
}

/** A chart with what its canvas has under the pointer's marks, as PNG or SVG. */
async function pictureOfSweep(part, format) {
  const size = { width: part.plot.clientWidth, height: part.plot.clientHeight };
  const layout = { ...part.plot.layout, ...size, paper_bgcolor: styleOf(part.root, "--page") };
  if (part.image) {
    const [low, high] = part.view.frame;
    const { range } = part.plot.layout.xaxis;
    const place = { xref: "x", yref: "y", x: range[0], y: high, sizex: range[1] - range[0], sizey: high - low };
    layout.images = [{ ...place, source: part.image.toDataURL(), sizing: "stretch", layer: "above" }];
  }
  const scale = format === "png" ? 2 : 1;
  const address = await Plotly.toImage({ data: part.plot.data, layout }, { format, ...size, scale });
  const coded = address.slice(address.indexOf(",") + 1);
  return format === "svg"
    ? new Blob([decodeURIComponent(coded)], { type: "image/svg+xml" })
    : new Blob([Uint8Array.from(atob(coded), (c) => c.charCodeAt(0))], { type: "image/png" });
}

// All methods from the same random starts: a table, their losses in order, and how many solve the problem at what cost.

const HOW_MANY = "of.compare.count";
const AT_MOST = "of.compare.steps";
const COST = "of.compare.cost";
const COSTS = ["steps", "evaluations"];

class Compare {
  static title = "compare";

  constructor(page) {
    Object.assign(this, { page, root: page.root });
    const changed = () => this.show("settings");
    this.count = settingOf(page, HOW_MANY, "random starts", "number", 200, changed);
    this.steps = settingOf(page, AT_MOST, "steps at most", "number", 200, changed);
    this.cost = settingOf(page, COST, "cost", "choice", "steps", () => this.profile());
    this.cost.field.append(
      ...COSTS.map((name) => make("option", { value: name, selected: name === page.state[COST] }, name)),
    );
    this.told = make("p", { class: "known", role: "status" });
    this.table = make("div", { class: "table wrap" });
    this.charts = {
      losses: new Chart(this.root, "losses of the starts"),
      profile: new Chart(this.root, "performance profile"),
      runtimes: new Chart(this.root, "targets reached (ecdf)"),
    };
    this.element = make(
      "div",
      { class: "tab" },
      make("div", { class: "settings" }, this.count.element, this.steps.element, this.cost.element, this.told),
      this.table,
      make("div", { class: "charts" }, ...Object.values(this.charts).map((chart) => chart.element)),
    );
  }

  open() {
    Object.assign(this, { view: null, times: null, key: "" });
    this.table.replaceChildren();
    for (const chart of Object.values(this.charts)) if (chart.plot._fullLayout) Plotly.purge(chart.plot);
  }

  async show(part) {
    const { page } = this;
    const known = await page.ask("variants", {}, "compare");
    if (!known) return;
    const more = { count: Number(this.count.field.value), max_steps: Number(this.steps.field.value) };
    this.asks = more;
    const { problem, methods, key, dtype } = page.state;
    const whole = JSON.stringify([problem, methods, key, dtype, more]);
    if (whole !== this.key) {
      const view = await page.ask("compare", more, "compare");
      if (!view || view.interrupted) return;
      Object.assign(this, { view, known, times: null });
      await this.draw();
      const times = await page.ask("runtimes", more, "compare");
      if (!times || times.interrupted) return;
      this.times = times;
      await this.curves();
      this.key = whole;
    } else if (part === "tab") this.fit();
    page.done();
  }

  /** The color of a variant, as in the paths. */
  color(name) {
    const { variants, method } = this.known;
    const labels = [...new Set(method)];
    const at = variants.indexOf(name);
    return colorOf(labels.length === variants.length ? labels.indexOf(method[at]) : at, this.page.dark);
  }

  async draw() {
    const { view } = this;
    this.told.textContent = view.left.join(" ");
    this.rows(view);
    const many = view.count;
    const { heights, axis } = heightsOf(view.loss, view.level, this.page.view.units.loss);
    const ranks = Array.from({ length: many }, (_, rank) => rank + 1);
    const mode = many > 60 ? "lines" : "lines+markers";
    const lines = this.lines(view.variants, (v) => ({
      x: ranks,
      y: heights.slice(v * many, (v + 1) * many),
      mode,
      marker: { size: 4 },
    }));
    await this.charts.losses.set(lines, {
      xaxis: { range: [0.5, many + 0.5], title: { text: "starts, by loss" }, nticks: 5 },
      yaxis: axis,
      margin: { l: 66, r: 12, t: 8, b: 44 },
    });
    await this.profile();
  }

  /** Lines that lie on each other are thinner, the later the more. */
  lines(names, traceOf) {
    const thinner = 1.6 / Math.max(1, names.length - 1);
    return names.map((name, v) => {
      const trace = traceOf(v);
      return { connectgaps: false, ...trace, line: { color: this.color(name), width: 3 - thinner * v, ...trace.line } };
    });
  }

  async profile() {
    if (!this.view) return;
    const cost = this.cost.field.value;
    const { rows, ratio, share } = this.view.profiles[cost];
    const wide = ratio.length;
    const end = Math.max(2, ratio[wide - 1] * 1.15);
    const lines = this.lines(
      [...rows].map((row) => this.view.variants[row]),
      (v) => ({
        x: [...ratio, end],
        y: [...share.subarray(v * wide, (v + 1) * wide), share[(v + 1) * wide - 1]],
        mode: "lines",
        line: { shape: "hv" },
      }),
    );
    const powers = Array.from({ length: 30 }, (_, i) => 2 ** i).filter((power) => power <= end);
    const stride = Math.ceil(powers.length / 6);
    const ticks = powers.filter((_, i) => i % stride === 0);
    const missing = this.view.variants.filter((_, v) => !rows.includes(v));
    const names = missing.join(", ").replaceAll("_", " ");
    this.charts.profile.readout.textContent = names && `not counted: ${names}`;
    await this.charts.profile.set(lines, {
      xaxis: {
        type: "log",
        range: [0, Math.log10(end)],
        tickvals: ticks,
        ticktext: ticks.map((tick) => short(tick)),
        title: { text: `${cost} / ${cost} of the best` },
      },
      yaxis: { range: [-0.02, 1.03], title: { text: "share of starts at the lowest loss" } },
    });
  }

  async curves() {
    const { times } = this;
    const wide = times.step.length;
    const lines = this.lines(times.variants, (v) => ({
      x: [...times.step],
      y: [...times.share.subarray(v * wide, (v + 1) * wide)],
      mode: "lines",
      line: { shape: "hv" },
    }));
    this.charts.runtimes.readout.textContent = times.count < this.view.count ? `${times.count} of the starts` : "";
    await this.charts.runtimes.set(lines, {
      xaxis: { range: [0, times.step[wide - 1]], title: { text: "step" }, nticks: 5 },
      yaxis: { range: [-0.02, 1.03], title: { text: "share of starts and targets" } },
    });
  }

  rows(view) {
    const wide = view.ends.length;
    const codes = [...view.ends.keys()].filter((code) =>
      view.variants.some((_, v) => view.outcomes[wide * v + code] > 0),
    );
    const heads = [
      "method",
      "at the lowest loss",
      ...codes.map((code) => view.ends[code]),
      "median steps",
      "median evaluations",
      "lowest loss",
    ];
    const body = view.variants.map((name, v) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = this.color(name);
      const outcomes = codes.map((code) => String(view.outcomes[wide * v + code]));
      const cells = [
        `${short(100 * view.reached[v], 3)} %`,
        ...outcomes,
        short(view.steps[v]),
        short(view.evaluations[v]),
        short(view.best[v], 5),
      ];
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, make("label", {}, swatch, name.replaceAll("_", " "))),
        ...cells.map((cell) => make("td", {}, cell)),
      );
    });
    this.table.replaceChildren(
      make(
        "table",
        {},
        make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, ...body),
      ),
    );
  }

  fit() {
    for (const chart of Object.values(this.charts)) chart.fit();
  }

  async recolor() {
    if (this.view) await this.draw();
    if (this.times) await this.curves();
  }

  async pictures(format) {
    const drawn = Object.entries(this.charts).filter(([, chart]) => chart.plot._fullLayout);
    return Promise.all(drawn.map(async ([name, chart]) => [name, await pictureOf(chart, format)]));
  }
}

// A model fitted to a table: the curve over the data, what is left, the parameters, and how every start ended.

const LINKED = 3000; // characters of a table that an address may hold
const ROBUST = { linear: "squares", soft_l1: "soft L1", huber: "Huber", cauchy: "Cauchy", arctan: "arctan" };

class FitTable {
  static title = "fit";
  static own = true; // what it asks for: no problem and no method of the page's

  constructor(page) {
    Object.assign(this, { page, root: page.root, table: null, result: null });
    this.form();
    this.data = chartOf("data and model", "tall");
    this.canvas = make("canvas", {
      tabindex: 0,
      role: "img",
      "aria-label": "the fitted curve: point at it, or use the arrow keys, to read it",
    });
    this.data.stage.append(this.canvas);
    this.readout = make("output", { class: "readout" });
    this.logs = make("div", { class: "toggles" }, this.toggle("logx", "log x"), this.toggle("logy", "log y"));
    this.data.element.append(make("footer", {}, this.readout, this.logs));
    this.rest = chartOf("residuals", "short");
    this.starts = chartOf("where every start ended", "short");
    this.numbers = make("div", { class: "table" });
    this.related = make("div", { class: "table" });
    this.found = make("div", { class: "known" });
    this.charts = make(
      "div",
      { class: "fit", hidden: true },
      make("div", {}, this.data.element, this.rest.element),
      make("div", {}, this.numbers, this.related, this.starts.element, this.found),
    );
    this.element = make("div", { class: "tab" }, this.asked, this.refusal, this.charts);
    this.listen();
  }

  /** A setting of this tab, as the address of the page keeps it. */
  get(name, usual = "") {
    return this.page.state[`of.fit.${name}`] ?? usual;
  }

  set(name, value) {
    if (value) this.page.state[`of.fit.${name}`] = value;
    else delete this.page.state[`of.fit.${name}`];
    this.page.keep(this.page.state);
  }

  form() {
    this.file = make("input", {
      type: "file",
      hidden: true,
      accept: ".csv,.txt,.tsv,.dat,text/*",
      "aria-label": "file of a table",
      onchange: () => this.file.files[0] && this.read(this.file.files[0]),
    });
    this.pasted = make("textarea", {
      rows: 7,
      spellcheck: "false",
      placeholder: "x,y\n1,2.1\n2,3.9\n…",
      "aria-label": "a table as text",
    });
    this.paper = make(
      "div",
      { class: "paper", hidden: true },
      this.pasted,
      make(
        "button",
        { type: "button", onclick: () => this.take({ text: this.pasted.value, name: "pasted.csv" }) },
        "use this table",
      ),
    );
    this.examples = make(
      "select",
      { "aria-label": "example", onchange: () => this.examples.value && this.take({ example: this.examples.value }) },
      make("option", { value: "" }, "an example …"),
    );
    this.told = make("span", { class: "known" });
    this.model = make("input", {
      id: "fit-model",
      class: "code",
      spellcheck: "false",
      autocomplete: "off",
      placeholder: "a*exp(-k*x) + c",
    });
    this.y = make("select", { id: "fit-y" });
    this.sigma = make("select", { id: "fit-sigma" });
    this.loss = make(
      "select",
      { id: "fit-loss" },
      ...Object.entries(ROBUST).map(([value, words]) => make("option", { value }, words)),
    );
    this.scale = make("input", { id: "fit-scale", spellcheck: "false", autocomplete: "off", placeholder: "1" });
    this.start = make("input", {
      id: "fit-start",
      class: "code",
      spellcheck: "false",
      autocomplete: "off",
      placeholder: "searched for; or a=5, k=0.1",
    });
    this.bounds = make("input", {
      id: "fit-bounds",
      class: "code",
      spellcheck: "false",
      autocomplete: "off",
      placeholder: "none; or k=0:, a=0:10",
    });
    const field = (name, words, wide = "") =>
      make("label", { for: `fit-${name}`, class: wide }, make("span", {}, words), this[name]);
    this.scaled = field("scale", "outlier beyond");
    this.refusal = make("p", { class: "refusal", role: "alert" });
    this.asked = make(
      "form",
      {
        class: "asked",
        onsubmit: (event) => {
          event.preventDefault();
          this.ask();
        },
      },
      make(
        "div",
        { class: "source" },
        make("button", { type: "button", onclick: () => this.file.click() }, "choose a file"),
        this.file,
        make(
          "button",
          { type: "button", "aria-expanded": "false", onclick: (event) => this.unfold(event.currentTarget) },
          "paste",
        ),
        this.examples,
        this.told,
      ),
      this.paper,
      make(
        "div",
        { class: "fields" },
        field("model", "model", "wide"),
        field("y", "predicts"),
        field("sigma", "errors"),
        field("loss", "loss"),
        this.scaled,
        field("start", "start", "half"),
        field("bounds", "bounds", "half"),
        make("button", { class: "primary", type: "submit" }, "fit"),
      ),
    );
    for (const name of ["y", "sigma", "loss"]) this[name].addEventListener("change", () => this.ask());
    for (const name of ["model", "start", "bounds", "scale"]) this[name].addEventListener("change", () => this.ask());
  }

  toggle(name, words) {
    const box = make("input", {
      type: "checkbox",
      onchange: () => {
        this.set(name, box.checked ? "1" : "");
        this.draw(name === "logx");
      },
    });
    this[name] = box;
    return make("label", {}, box, words);
  }

  unfold(button) {
    this.paper.hidden = !this.paper.hidden;
    button.setAttribute("aria-expanded", String(!this.paper.hidden));
    if (this.paper.hidden) return;
    this.pasted.value = this.table?.text.length < 20_000 ? this.table.text : "";
    this.pasted.focus();
  }

  async show(part) {
    if (this.result || this.table) {
      if (part === "tab") this.fit();
      this.page.done();
      return;
    }
    const text = this.get("text");
    if (text) await this.take({ text, name: this.get("name", "linked.csv") }, false);
    else await this.take({ example: this.get("example", "Misra1a") }, !this.page.state["of.fit.model"]);
  }

  /** A file of a person. */
  async read(file) {
    this.file.value = "";
    if (file.size > LARGEST) {
      const size = `${file.name} has ${short(file.size / 2 ** 20, 3)} MB`;
      return this.refuse(`${size}, but a page takes up to 2 MB; use thalweg solve for it.`);
    }
    const text = await textOf(file);
    if (text.includes("\0")) return this.refuse(`${file.name} is no text; save the table as CSV.`);
    await this.take({ text, name: file.name.slice(0, 100) });
  }

  refuse(sentence) {
    this.refusal.textContent = sentence;
    this.page.controls.refuse("");
    this.page.done();
  }

  /** A new table, and what can be chosen of it. */
  async take(given, fresh = true) {
    this.examples.value = given.example ?? "";
    const view = await this.page.ask("columns", given);
    if (!view) return this.refuse(this.page.controls.refusal.textContent);
    this.table = { text: view.text ?? given.text, name: view.name ?? given.name, columns: view.columns };
    this.told.textContent = view.told;
    this.examples.replaceChildren(
      make("option", { value: "" }, "an example …"),
      ...view.examples.map((name) => make("option", { value: name, selected: name === given.example }, name)),
    );
    const options = (names, first = []) =>
      [...first, ...names].map((name) => make("option", { value: name }, name || "all alike"));
    this.y.replaceChildren(...options(view.numeric));
    this.sigma.replaceChildren(...options(view.numeric, [""]));
    if (fresh) {
      for (const name of ["y", "sigma", "start", "bounds", "text", "example", "name"]) this.set(name, "");
      const known = view.columns.every((name) => !/^[A-Za-z]\w*$/.test(name) || name !== "x");
      this.set(
        "model",
        view.model ?? (this.get("model") && !known ? this.get("model") : `a + b*${spelled(view.numeric[0])}`),
      );
      this.set("y", view.y ?? view.numeric.at(-1));
    }
    if (given.example) this.set("example", given.example);
    else this.set("text", given.text.length <= LINKED ? given.text : "");
    if (!given.example) this.set("name", this.table.name);
    const linked = given.example || given.text.length <= LINKED;
    if (!linked) this.told.textContent += "; the address of this page is too short for it";
    for (const name of ["model", "start", "bounds", "scale"]) this[name].value = this.get(name);
    for (const name of ["y", "sigma"]) this[name].value = this.get(name, name === "y" ? view.numeric.at(-1) : "");
    this.loss.value = this.get("loss", "linear");
    for (const name of ["logx", "logy"]) this[name].checked = Boolean(this.get(name));
    await this.ask();
  }

  async ask() {
    for (const name of ["model", "y", "sigma", "scale", "start", "bounds"]) this.set(name, this[name].value.trim());
    this.set("loss", this.loss.value === "linear" ? "" : this.loss.value);
    this.scaled.hidden = this.loss.value === "linear";
    if (!this.table) return;
    const { text, name } = this.table;
    const more = Object.fromEntries(
      ["model", "y", "sigma", "loss", "scale", "start", "bounds"].map((one) => [one, this.get(one)]),
    );
    this.charts.classList.add("stale");
    this.asks = { name, ...more };
    const view = await this.page.ask("fit", { table: text, name, ...more, log: this.logx.checked }, "fit");
    if (!view) {
      const sentence = this.page.controls.refusal.textContent;
      return sentence ? this.refuse(sentence) : undefined;
    }
    this.refusal.textContent = view.interrupted
      ? "Stopped: this is the best fit until then."
      : view.succeeded
        ? ""
        : "No start came to a minimum: these numbers are no answer; give starts or bounds, or another model.";
    this.result = view;
    this.charts.classList.remove("stale");
    this.charts.hidden = false;
    this.words();
    await this.draw();
    this.page.done();
  }

  /** The parameters with their errors, how they go together, and what the search saw. */
  words() {
    const view = this.result;
    const rows = view.parameters.map((name, i) => {
      const [value, error] = [view.values[i], view.errors[i]];
      const exact = `${value}${Number.isFinite(error) ? ` ± ${error}` : ""}`;
      const part = value && Number.isFinite(error) ? `${short((100 * error) / Math.abs(value), 2)} %` : "–";
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, name),
        make("td", { title: exact, class: "strong" }, rounded(value, error)),
        make("td", {}, view.notes[i] || part),
      );
    });
    const head = (...words) =>
      make("thead", {}, make("tr", {}, ...words.map((word) => make("th", { scope: "col" }, word))));
    const known = new Map(view.criteria);
    const foot = ["R squared", "residual standard deviation", "sum of squares", "degrees of freedom", "AIC", "BIC"]
      .filter((name) => known.has(name))
      .map((name) =>
        make(
          "span",
          {},
          `${name.replace("R squared", "R²")} `,
          make("b", {}, name === "R squared" ? String(Number(known.get(name).toFixed(6))) : short(known.get(name), 5)),
        ),
      );
    this.numbers.replaceChildren(
      make(
        "table",
        { class: "parameters" },
        head("parameter", "value ± standard error", "error"),
        make("tbody", {}, ...rows),
      ),
      make("p", { class: "facts" }, ...foot),
    );
    const names = view.correlated;
    this.related.hidden = names.length < 2;
    this.related.replaceChildren(
      make(
        "table",
        { class: "matrix" },
        head("correlation", ...names),
        make(
          "tbody",
          {},
          ...names.map((name, i) =>
            make(
              "tr",
              {},
              make("th", { scope: "row" }, name),
              ...names.map((_, j) => this.cell(view.correlations[i * names.length + j], j - i)),
            ),
          ),
        ),
      ),
    );
    this.found.replaceChildren(...view.searched.map((line) => make("p", {}, line.replace(/ %/g, "\u00a0%"))));
  }

  /** A correlation, the stronger the deeper, blue below zero and orange above; the sign stands beside it. */
  cell(value, beside) {
    if (beside >= 0) return make("td", {}, beside ? "" : "1");
    const cell = make("td", {}, value.toFixed(3).replace("-", "−"));
    const [r, g, b] = value < 0 ? [0, 114, 178] : [213, 94, 0];
    cell.style.background = `rgba(${r},${g},${b},${(0.55 * Math.min(1, Math.abs(value)) ** 2).toFixed(3)})`;
    return cell;
  }

  async draw(again = false) {
    if (again) return this.ask();
    if (!this.result) return;
    await drawCurve(this);
    await drawResiduals(this);
    await drawEndings(this);
    this.point(this.at);
  }

  get colors() {
    const { dark } = this.page;
    return { curve: colorOf(0, dark), dots: styleOf(this.root, "--ink"), band: dark ? "86,180,233" : "0,114,178" };
  }

  listen() {
    const over = (event) => {
      event.preventDefault();
      this.element.classList.toggle("over", event.type === "dragover");
    };
    for (const name of ["dragover", "dragleave", "drop"]) this.element.addEventListener(name, over);
    this.element.addEventListener(
      "drop",
      (event) => event.dataTransfer.files[0] && this.read(event.dataTransfer.files[0]),
    );
    this.canvas.addEventListener("pointermove", (event) => {
      if (!this.result?.grid) return;
      const { xaxis } = this.data.plot._fullLayout;
      this.point(xaxis.p2d(event.clientX - this.canvas.getBoundingClientRect().left - xaxis._offset));
    });
    for (const name of ["pointerleave", "blur"]) this.canvas.addEventListener(name, () => this.point(null));
    this.canvas.addEventListener("keydown", (event) => {
      const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!turn || !this.result?.grid) return;
      event.preventDefault();
      const { grid } = this.result;
      const now = this.at === null || this.at === undefined ? grid.length >> 1 : closestOf(grid, this.at);
      this.point(grid[Math.max(0, Math.min(grid.length - 1, now + turn * (event.shiftKey ? 20 : 4)))]);
    });
  }

  /** Read the curve where a person points. */
  point(at) {
    this.at = at;
    const ink = inkOf(this.canvas);
    const view = this.result;
    if (at === null || at === undefined || !view?.grid) return void (this.readout.textContent = "");
    const i = closestOf(view.grid, at);
    const { xaxis, yaxis } = this.data.plot._fullLayout;
    const [x, y] = [xaxis._offset + xaxis.d2p(view.grid[i]), yaxis._offset + yaxis.d2p(view.model[i])];
    ink.strokeStyle = styleOf(this.root, "--faint");
    ink.setLineDash([3, 3]);
    ink.beginPath();
    ink.moveTo(x, yaxis._offset);
    ink.lineTo(x, yaxis._offset + yaxis._length);
    ink.stroke();
    ink.fillStyle = this.colors.curve;
    ink.beginPath();
    ink.arc(x, y, 5, 0, 2 * Math.PI);
    ink.fill();
    const ends = [view.confidence_low, view.confidence_high].filter(Boolean).map((side) => short(side[i], 5));
    const sure = ends.length ? `   ${short(100 * view.level, 3)} % confidence ${ends.join(" … ")}` : "";
    const here = `${view.predictor} = ${short(view.grid[i])}   ${view.response} = ${short(view.model[i], 5)}`;
    this.readout.textContent = here + sure;
  }

  fit() {
    for (const { plot } of [this.data, this.rest, this.starts])
      if (plot._fullLayout && !this.charts.hidden) Plotly.Plots.resize(plot);
  }

  recolor() {
    this.draw();
    if (this.result) this.words();
  }

  pictures(format) {
    const plots = this.result
      ? [
          ["fit", this.data],
          ["residuals", this.rest],
          ["starts", this.starts],
        ]
      : [];
    return Promise.all(plots.map(async ([name, { plot }]) => [name, await imageOf(this.root, plot, format)]));
  }
}

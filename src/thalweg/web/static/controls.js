// What a person sets: the problem, where it begins, and the methods with their numbers.

const WIDE = 4; // decades to each side of what a number is by default

class Controls {
  /** `changed(part)` is called after the state was changed. */
  constructor(root, state, changed) {
    Object.assign(this, { root, state, changed });
    this.names = make("datalist", { id: "problems" });
    this.problem = make("input", {
      id: "problem",
      list: "problems",
      spellcheck: "false",
      autocomplete: "off",
      "aria-describedby": "refusal",
    });
    this.problem.addEventListener("change", () => this.take());
    this.known = make("p", { class: "known" });
    this.start = make("input", { id: "start", spellcheck: "false", autocomplete: "off" });
    this.start.addEventListener("change", () => this.begin());
    this.steps = make("input", { id: "steps", type: "number", min: 1, max: 20000, step: 1 });
    this.steps.addEventListener("change", () => {
      state.steps = Math.max(1, Math.round(Number(this.steps.value) || 1));
      changed("steps");
    });
    this.dtype = make(
      "select",
      { id: "dtype" },
      ...["float32", "float64"].map((name) => make("option", { value: name }, name)),
    );
    this.dtype.addEventListener("change", () => ((state.dtype = this.dtype.value), changed("dtype")));
    this.refusal = make("p", { id: "refusal", class: "refusal", role: "alert" });
    this.methods = make("div", { class: "methods" });
    this.more = make("select", { "aria-label": "add a method" });
    this.more.addEventListener("change", () => this.add(this.more.value));
    const labeled = (id, words, field) => make("label", { for: id }, make("span", {}, words), field);
    this.element = make(
      "aside",
      {},
      make(
        "form",
        { onsubmit: (event) => event.preventDefault() },
        labeled("problem", "problem or formula", this.problem),
        this.names,
        this.known,
        this.refusal,
        make(
          "div",
          { class: "pair" },
          labeled("start", "start", this.start),
          labeled("steps", "steps", this.steps),
          labeled("dtype", "precision", this.dtype),
        ),
      ),
      make("h2", {}, "methods"),
      this.methods,
      this.more,
    );
  }

  take() {
    const word = this.problem.value.trim();
    if (!word || word === this.state.problem) return;
    Object.assign(this.state, { problem: word, start: null, boxes: {} });
    this.changed("problem");
  }

  begin() {
    const words = this.start.value
      .split(/[,\s]+/)
      .filter(Boolean)
      .map(Number);
    if (words.length && words.every(Number.isFinite)) {
      this.state.start = words;
      this.changed("start");
    } else this.show();
  }

  refuse(sentence) {
    this.refusal.textContent = sentence;
    this.problem.setAttribute("aria-invalid", sentence ? "true" : "false");
  }

  /** What Python said of the problem. */
  describe(view) {
    this.view = view;
    this.catalogue = new Map(view.methods.map((one) => [one.name, one]));
    this.names.replaceChildren(...view.problems.map((name) => make("option", { value: name })));
    const many = view.dimension;
    const chain = view.spaces.join(" → ");
    this.known.textContent = `${many} component${many === 1 ? "" : "s"}, ${chain} → loss`;
    this.more.replaceChildren(
      make("option", { value: "" }, "add a method …"),
      ...view.methods.map((one) => make("option", { value: one.name, title: one.says }, one.name.replaceAll("_", " "))),
    );
    this.show();
  }

  show() {
    const { state, view } = this;
    this.problem.value = state.problem;
    const start = state.start || (view ? [...view.start] : []);
    this.start.value = start.length <= 8 ? start.map((value) => String(Number(value.toPrecision(6)))).join(", ") : "";
    this.start.placeholder = start.length > 8 ? `${start.length} numbers` : "";
    this.steps.value = state.steps;
    this.dtype.value = state.dtype;
    this.methods.replaceChildren(...state.methods.map((word, index) => this.card(word, index)));
  }

  add(name) {
    if (!name) return;
    const known = this.catalogue.get(name);
    const numbers = new Map(known.parameters.filter((one) => one.needed).map((one) => [one.name, one.default]));
    const taken = this.state.methods.map((word) => partsOf(word).name).includes(name);
    const rate = known.parameters.find((one) => one.name === "learning_rate");
    if (taken && rate) numbers.set("learning_rate", String((Number(rate.default) || 0.1) / 2));
    const word = wordOf({ name, numbers });
    if (!this.state.methods.includes(word)) {
      this.state.methods.push(word);
      this.changed("methods");
    }
    this.more.value = "";
    this.show();
  }

  card(word, index) {
    const parts = partsOf(word);
    const known = this.catalogue?.get(parts.name);
    const set = (key, value, again) => {
      if (value === "") parts.numbers.delete(key);
      else parts.numbers.set(key, value);
      this.state.methods[index] = wordOf(parts);
      this.changed("numbers");
      if (again) this.show();
    };
    const fields = (known?.parameters ?? []).map((one) => this.field(one, parts.numbers.get(one.name), set, index));
    const main = fields.splice(
      0,
      Math.max(1, (known?.parameters ?? []).filter((one) => one.needed || one.name === "learning_rate").length),
    );
    const remove = make(
      "button",
      {
        class: "quiet",
        type: "button",
        title: "remove",
        "aria-label": `remove ${parts.name.replaceAll("_", " ")}`,
        onclick: () => {
          this.state.methods.splice(index, 1);
          this.changed("methods");
          this.show();
        },
      },
      "×",
    );
    const swatch = make("span", { class: "swatch" });
    swatch.style.background = colorOf(index, isDark(this.root));
    return make(
      "fieldset",
      { class: "method", title: known?.says ?? "" },
      make("legend", {}, swatch, parts.name.replaceAll("_", " ")),
      this.state.methods.length > 1 ? remove : "",
      ...main,
      ...(fields.length ? [make("details", {}, make("summary", {}, "more"), ...fields)] : []),
    );
  }

  field(one, value, set, index) {
    const id = `${one.name}-${index}`;
    const words = make("span", {}, one.name.replaceAll("_", " "));
    if (one.choices.length) {
      const choice = make(
        "select",
        { id, onchange: () => set(one.name, choice.value === one.default ? "" : choice.value) },
        ...one.choices.map((name) => make("option", { value: name, selected: name === (value ?? one.default) }, name)),
      );
      return make("label", { class: "number", for: id }, words, choice);
    }
    const text = make("input", {
      id,
      value: value ?? "",
      placeholder: one.default,
      spellcheck: "false",
      autocomplete: "off",
      title: "a number, 1/3, 0.1;0.2 or geom(1e-3,1,8)",
    });
    text.addEventListener("change", () => set(one.name, text.value.trim(), true));
    const usual = Number(one.default);
    const row = make("label", { class: "number", for: id }, words, text);
    if (!(usual > 0) || one.default.includes(";")) return row;
    const middle = Math.round(Math.log10(usual));
    const now = Number(value ?? usual);
    const slider = make("input", {
      type: "range",
      min: middle - WIDE,
      max: middle + 2,
      step: 0.01,
      value: now > 0 ? Math.log10(now) : middle,
      "aria-label": `${one.name.replaceAll("_", " ")} of ${partsOf(this.state.methods[index]).name.replaceAll("_", " ")}`,
    });
    slider.addEventListener("input", () => {
      text.value = String(Number((10 ** Number(slider.value)).toPrecision(3)));
      set(one.name, text.value, false);
    });
    return make("div", { class: "row" }, row, slider);
  }
}

// The page: state and address, questions, and the tabs, one of which is shown.

class Explorer {
  constructor(root, link, state, keep) {
    Object.assign(this, { root, link, state, keep, asked: {} });
    this.controls = new Controls(root, state, (part) => this.changed(part));
    this.work = make("progress", { hidden: true, max: 1, "aria-label": "progress" });
    this.doing = make("span", { class: "doing", role: "status" });
    this.halt = make("button", { hidden: true, type: "button", onclick: () => link.stop() }, "stop");
    this.lost = make(
      "p",
      { class: "lost", role: "alert", hidden: true },
      "The server is gone. Start thalweg explore again; the page will find it.",
    );
    this.tabs = new Map(TABS.map((Tab) => [Tab.title, new Tab(this)]));
    this.bar = make(
      "nav",
      { class: "tabs", role: "tablist", "aria-label": "views" },
      ...[...this.tabs.keys()].map((title) =>
        make("button", { type: "button", role: "tab", id: `tab-${title}`, onclick: () => this.select(title) }, title),
      ),
    );
    this.bar.addEventListener("keydown", (event) => this.walk(event));
    this.main = make("main", {}, ...[...this.tabs.values()].map((tab) => tab.element));
    root.classList.add("thalweg");
    root.tabIndex = -1; // so that keys come here after a click beside all fields
    root.replaceChildren(this.head(), this.lost, make("div", { class: "desk" }, this.controls.element, this.main));
    new ResizeObserver(() => this.shown?.fit()).observe(this.main);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolor());
    this.open();
  }

  get shown() {
    return this.tabs.get(this.state.tab) ?? [...this.tabs.values()][0];
  }

  get dark() {
    return isDark(this.root);
  }

  head() {
    const theme = make(
      "button",
      {
        type: "button",
        title: "light or dark",
        "aria-label": "light or dark",
        onclick: () => {
          this.root.dataset.theme = this.dark ? "light" : "dark";
          this.recolor();
        },
      },
      "◐",
    );
    const save = (name, words) =>
      make(
        "button",
        {
          type: "button",
          title: `download ${words}`,
          "aria-label": `download ${words}`,
          onclick: () => this.save(name),
        },
        words,
      );
    return make(
      "header",
      { class: "top" },
      make("h1", {}, "thalweg"),
      this.bar,
      this.work,
      this.doing,
      this.halt,
      make(
        "nav",
        { "aria-label": "downloads" },
        save("file", "data"),
        save("png", "PNG"),
        save("svg", "SVG"),
        save("code", "Python"),
        theme,
      ),
    );
  }

  /** Arrows go from tab to tab. */
  walk(event) {
    const titles = [...this.tabs.keys()];
    const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!turn) return;
    const next = titles[(titles.indexOf(this.shown.constructor.title) + turn + titles.length) % titles.length];
    this.select(next);
    this.bar.querySelector(`#tab-${CSS.escape(next)}`).focus();
  }

  select(title) {
    if (title !== this.state.tab) this.link.stop(); // or the next tab would wait for what nobody looks at
    this.state.tab = title;
    this.keep(this.state);
    this.turn();
  }

  /** Show the tab of the state. */
  turn() {
    for (const [title, tab] of this.tabs) {
      const chosen = tab === this.shown;
      tab.element.hidden = !chosen;
      const button = this.bar.querySelector(`#tab-${CSS.escape(title)}`);
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    this.controls.element.hidden = Boolean(this.shown.constructor.own);
    this.shown.show("tab");
  }

  /** Ask, and tell of it while it takes long; null where it was refused, stopped, or asked anew meanwhile. */
  async ask(what, more = {}, slot = what) {
    const mine = (this.asked[slot] = {});
    const busy = setTimeout(() => this.busy("compiling"), 250);
    try {
      const view = await this.link.ask(what, this.state, { ...more, slot }, (done, total) => {
        this.busy(`${what}: ${done} of ${total}`);
        this.work.value = done / total;
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
        delete this.asked[slot];
        this.work.hidden = this.halt.hidden = true;
        this.doing.textContent = "";
      }
    }
  }

  busy(words) {
    this.work.removeAttribute("value");
    this.work.hidden = this.halt.hidden = false;
    this.doing.textContent = words;
  }

  /** A new problem: what is known of it, then the tab that is shown. */
  async open() {
    const view = await this.ask("problem");
    if (!view) return;
    this.view = view;
    this.controls.describe(view);
    for (const tab of this.tabs.values()) tab.open?.(view);
    this.turn();
  }

  changed(part) {
    this.keep(this.state);
    if (part === "problem") this.open();
    else this.shown.show(part);
  }

  recolor() {
    this.controls.show();
    this.shown.recolor?.();
  }

  /** That what was asked for is drawn, for whoever waits for it. */
  done() {
    this.root.dataset.ready = String(Number(this.root.dataset.ready || 0) + 1);
  }

  async save(what) {
    if (what === "png" || what === "svg") {
      for (const [name, blob] of await this.shown.pictures(what)) download(blob, `${name}.${what}`);
      return;
    }
    const view = await this.ask(what, { tab: this.shown.constructor.title, ...this.shown.asks });
    if (view)
      download(what === "file" ? new Blob([view.bytes]) : new Blob([view.text], { type: "text/x-python" }), view.name);
  }
}

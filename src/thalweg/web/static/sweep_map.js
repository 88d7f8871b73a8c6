// The last loss over two numbers, or over one and the first component of the start.

const LOST = { light: "#e3b9a0", dark: "#523021" }; // where it is not finite
const HEAT = {
  light: [
    [0, "#08306b"],
    [0.3, "#0072b2"],
    [0.65, "#8cc4e0"],
    [1, "#f4f2ea"],
  ],
  dark: [
    [0, "#eaf6fd"],
    [0.3, "#56b4e9"],
    [0.65, "#1f5f8b"],
    [1, "#1b242d"],
  ],
};

class SweepMap {
  /** `told` has look(value, second) and take(value, second). */
  constructor(root, told, choice) {
    Object.assign(this, { root, told });
    this.plot = make("div", { class: "plot" });
    this.canvas = make("canvas", {
      tabindex: 0,
      role: "img",
      "aria-label": "map of the last loss: click or press Enter to take a place over, arrow keys to move",
    });
    this.title = make("h3", {}, "last loss");
    this.readout = make("output", { class: "readout" });
    this.note = make("p", { class: "known" });
    this.element = make(
      "section",
      { class: "pane" },
      make("header", {}, this.title, this.readout),
      choice,
      make("div", { class: "stage" }, this.plot, this.canvas),
      this.note,
    );
    this.listen();
  }

  async set(view, names, units) {
    Object.assign(this, { view, names, units, cross: null });
    await this.render();
  }

  /** The losses as they are colored, in decades: themselves, or above the lowest known where some are not positive. */
  tones() {
    const { loss, lowest, highest } = this.view;
    const finite = [...loss].filter(Number.isFinite);
    let [least, most] = [Number.isFinite(lowest) ? lowest : Infinity, -Infinity];
    for (const value of finite) [least, most] = [Math.min(least, value), Math.max(most, value)];
    const above = !(least > 0);
    const base = above ? least : 0;
    const top = Math.max((Number.isFinite(highest) ? Math.min(most, highest) : most) - base, Number.MIN_VALUE);
    const floor = Math.max(above ? 0 : least, top * 1e-8); // what rounding leaves of a difference
    const tone = (value) => (Number.isFinite(value) ? Math.log10(Math.max(value - base, floor)) : null);
    const low = Math.log10(floor);
    const high = Math.max(Math.log10(top), low + 1);
    return { tone, low, high, above: base !== 0, lost: loss.length - finite.length };
  }

  async render() {
    const { view, root, names, units } = this;
    if (!view) return;
    const kind = isDark(root) ? "dark" : "light";
    const { tone, low, high, above, lost } = this.tones();
    const { first, second, loss, logs } = view;
    const width = first.length;
    const z = Array.from(second, (_, row) => Array.from(loss.subarray(row * width, (row + 1) * width), tone));
    const side = (values, log, text) => {
      const ends = [values[0], values[values.length - 1]];
      const range = log ? decadesOf(...ends.map(Math.log10), 5) : { range: ends, nticks: 6 };
      return { ...range, title: { text }, showgrid: false };
    };
    const layout = layoutOf(root, {
      margin: { l: 62, r: 72, t: 10, b: 44 },
      plot_bgcolor: LOST[kind],
      xaxis: side(first, logs[0], names[0]),
      yaxis: side(second, logs[1], names[1]),
    });
    const { tickvals, ticktext } = decadesOf(low, high, 5);
    const words = withUnits(above ? "last loss above the lowest" : "last loss", units.loss);
    const colorbar = {
      thickness: 9,
      outlinewidth: 0,
      ticks: "",
      len: 0.96,
      x: 1.02,
      xpad: 2,
      tickvals: tickvals.map(Math.log10),
      ticktext,
      tickfont: { size: 10 },
      title: { text: words, side: "right", font: { size: 11 } },
    };
    const data = [{ type: "heatmap", x: first, y: second, z, zmin: low, zmax: high, colorscale: HEAT[kind], colorbar }];
    await Plotly.react(this.plot, data, layout, PLAIN);
    const share = short((100 * lost) / loss.length, 3);
    this.note.textContent = lost ? `${share} % end where the loss is not finite (brown).` : "";
    this.draw();
  }

  draw() {
    if (!this.plot._fullLayout || !this.view) return;
    const ink = inkOf(this.canvas);
    const { xaxis, yaxis } = this.plot._fullLayout;
    const [left, top, wide, tall] = [xaxis._offset, yaxis._offset, xaxis._length, yaxis._length];
    ink.save();
    ink.beginPath();
    ink.rect(left, top, wide, tall);
    ink.clip();
    if (this.present) {
      const [x, y] = [left + xaxis.d2p(this.present[0]), top + yaxis.d2p(this.present[1])];
      for (const [color, width] of [
        ["#fff", 4],
        ["#1f2933", 1.8],
      ]) {
        ink.strokeStyle = color;
        ink.lineWidth = width;
        ink.beginPath();
        ink.arc(x, y, 6, 0, 2 * Math.PI);
        ink.stroke();
      }
    }
    if (this.cross) {
      const [x, second] = [left + xaxis.d2p(this.cross[0]), this.cross[1]];
      const y = second === null ? null : top + yaxis.d2p(second);
      for (const [color, width] of [
        ["rgba(255,255,255,.8)", 3],
        ["#1f2933", 1],
      ]) {
        ink.strokeStyle = color;
        ink.lineWidth = width;
        ink.beginPath();
        ink.moveTo(x, top);
        ink.lineTo(x, top + tall);
        if (y !== null) {
          ink.moveTo(left, y);
          ink.lineTo(left + wide, y);
        }
        ink.stroke();
      }
    }
    ink.restore();
  }

  /** Mark a value, and a second one where a person points into this map. */
  look(value, second = null) {
    this.cross = value === null ? null : [value, second];
    this.draw();
    if (!this.view || value === null || second === null) {
      this.readout.textContent = "";
      return;
    }
    const { first, second: rows, logs, loss } = this.view;
    const end = loss[nearestOf(rows, logs[1], second) * first.length + nearestOf(first, logs[0], value)];
    this.readout.textContent =
      `${this.names[1]} = ${short(second, 3)}   ` + (Number.isFinite(end) ? `last loss ${short(end)}` : "diverged");
  }

  at(event) {
    const frame = this.canvas.getBoundingClientRect();
    const { xaxis, yaxis } = this.plot._fullLayout;
    const inside = (pixel, axis) => axis.p2d(Math.max(0, Math.min(axis._length, pixel - axis._offset)));
    return [inside(event.clientX - frame.left, xaxis), inside(event.clientY - frame.top, yaxis)];
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointermove", (event) => this.view && this.told.look(...this.at(event)));
    canvas.addEventListener("pointerup", (event) => this.view && this.told.take(...this.at(event)));
    canvas.addEventListener("pointerleave", () => this.told.look(null));
    canvas.addEventListener("blur", () => this.told.look(null));
    canvas.addEventListener("keydown", (event) => {
      if (!this.view) return;
      const { xaxis, yaxis } = this.plot._fullLayout;
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const here = this.cross?.[1] != null ? this.cross : (this.present ?? [this.view.first[48], this.view.second[48]]);
      if (move) {
        const part = event.shiftKey ? 200 : 48;
        const side = (axis, value, turn) =>
          axis.p2d(Math.max(0, Math.min(axis._length, axis.d2p(value) + (turn * axis._length) / part)));
        this.told.look(side(xaxis, here[0], move[0]), side(yaxis, here[1], move[1]));
      } else if (event.key === "Enter" && this.cross?.[1] != null) this.told.take(...this.cross);
      else return;
      event.preventDefault();
    });
  }
}

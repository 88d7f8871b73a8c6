// One view of the landscape: contours by plotly, and over them a canvas for all that moves.

const LEVELS = 18;
const CLICK = 4; // pixels that a pointer may move within a click

/** Heights as they are drawn: in logarithms above the lowest where most of the ground is low, else themselves. */
function reliefFrom(values) {
  const finite = values.filter(Number.isFinite);
  if (!finite.length) return { draw: () => null, back: (t) => t, low: 0, high: 1 };
  let [low, high] = [Infinity, -Infinity];
  for (const value of finite) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const heights = finite.map((value) => value - low).sort((a, b) => a - b);
  const top = high - low || 1;
  const bottom = heights[Math.floor(heights.length * 0.01)] || heights.find((h) => h > 0) || top;
  if (heights[heights.length >> 1] > 0.4 * top || bottom > 0.1 * top) {
    return { draw: (v) => (Number.isFinite(v) ? v : null), back: (t) => t, low, high };
  }
  const draw = (v) => (Number.isFinite(v) ? Math.log10(Math.max(v - low, bottom / 10)) : null);
  return { draw, back: (t) => low + 10 ** t, low: Math.log10(bottom / 10), high: Math.log10(top) };
}

class Pane {
  /** `told` has choose(place), look(place), move(box) for what a person does in the view. */
  constructor(root, index, described, told) {
    Object.assign(this, { root, index, told, ...described });
    this.plot = make("div", { class: "plot" });
    this.canvas = make("canvas", {
      tabindex: 0,
      role: "img",
      "aria-label": `${this.space}: click or press Enter to start there, drag or arrow keys to move, + and - to zoom`,
    });
    this.readout = make("output", { class: "readout" });
    this.title = make("h3", {}, `in ${this.space}`);
    this.turn = make(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-pressed": "false",
        hidden: !(this.flat && told.turn),
        onclick: () => told.turn(),
      },
      "3-D",
    );
    this.element = make(
      "section",
      { class: "pane" },
      make("header", {}, this.title, this.turn, this.readout),
      make("div", { class: "stage" }, this.plot, this.canvas),
    );
    this.paths = null;
    this.cross = null;
    this.listen();
  }

  get flat() {
    return this.kind !== "line";
  }

  /** As contours, or as a surface. */
  async setGround(view, box, units, solid = false) {
    const dark = isDark(this.root);
    this.box = box;
    if (this.solid !== (solid && this.flat)) Plotly.purge(this.plot);
    this.solid = solid && this.flat;
    this.canvas.hidden = this.solid;
    this.turn.setAttribute("aria-pressed", String(this.solid));
    if (this.solid && view && this.paths) {
      this.view = view;
      this.relief = reliefFrom([...view.loss]);
      return Plotly.react(this.plot, surfaceOf(this, this.row ?? Infinity), sceneLayoutOf(this, units), TURNED);
    }
    this.minima = view ? view.minima : null;
    const [horizontal, vertical] = this.flat ? this.labels : [this.labels[0], "loss"];
    const layout = layoutOf(this.root, {
      xaxis: { range: box[0], title: { text: withUnits(horizontal, this.units) } },
      yaxis: { title: { text: withUnits(vertical, this.flat ? this.units : units.loss) } },
    });
    let data = [];
    if (this.flat) {
      layout.yaxis.range = box[1];
      if (view) data = [this.contours(view, dark)];
    } else if (view) {
      const finite = [...view.loss].filter(Number.isFinite);
      const [low, high] = [Math.min(...finite), Math.max(...finite)];
      layout.yaxis.range = [low - 0.06 * (high - low || 1), high + 0.06 * (high - low || 1)];
      data = [
        {
          x: view.sides[0],
          y: [...view.loss],
          mode: "lines",
          line: { color: styleOf(this.root, "--curve"), width: 1.6 },
        },
      ];
    }
    this.view = view;
    await Plotly.react(this.plot, data, layout, PLAIN);
    this.draw();
  }

  contours(view, dark) {
    const relief = reliefFrom([...view.loss]);
    const width = view.sides[0].length;
    const z = Array.from({ length: view.sides[1].length }, (_, row) =>
      Array.from(view.loss.subarray(row * width, (row + 1) * width), relief.draw),
    );
    const size = (relief.high - relief.low) / LEVELS || 1;
    const ticks = [0, 1, 2, 3, 4].map((i) => relief.low + ((relief.high - relief.low) * (i + 0.5)) / 5);
    this.relief = relief;
    return {
      type: "contour",
      x: view.sides[0],
      y: view.sides[1],
      z,
      colorscale: reliefOf(dark),
      zmin: relief.low,
      zmax: relief.high,
      autocontour: false,
      contours: { start: relief.low, end: relief.high, size },
      line: { width: 0.5, color: dark ? "#5b7084" : "#8796a5", smoothing: 0.6 },
      colorbar: {
        thickness: 8,
        outlinewidth: 0,
        ticks: "",
        len: 0.9,
        x: 1.01,
        xpad: 2,
        tickvals: ticks,
        ticktext: ticks.map((t) => short(relief.back(t), 2)),
        tickfont: { size: 10 },
        title: { text: "loss", side: "right", font: { size: 11 } },
      },
    };
  }

  /** `paths`: {points, off, colors, shown}; `row`: how many rows are drawn, a fraction in between. */
  setPaths(paths) {
    this.paths = paths;
  }

  /** Pixels of a place, in the canvas. */
  pixel(x, y) {
    const { xaxis, yaxis } = this.plot._fullLayout;
    return [xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(y)];
  }

  place(event) {
    const frame = this.canvas.getBoundingClientRect();
    const { xaxis, yaxis } = this.plot._fullLayout;
    return [
      xaxis.p2d(event.clientX - frame.left - xaxis._offset),
      yaxis.p2d(event.clientY - frame.top - yaxis._offset),
    ];
  }

  draw(row = this.row ?? Infinity) {
    this.row = row;
    if (this.solid) return this.drawSolid();
    if (!this.plot._fullLayout?.xaxis) return;
    const ink = inkOf(this.canvas);
    const { xaxis, yaxis } = this.plot._fullLayout;
    ink.save();
    ink.beginPath();
    ink.rect(xaxis._offset, yaxis._offset, xaxis._length, yaxis._length);
    ink.clip();
    this.drawStars(ink);
    if (this.paths) this.paths.colors.forEach((color, variant) => this.drawPath(ink, variant, color, row));
    if (this.cross) this.drawCross(ink);
    ink.restore();
  }

  /** The paths on the surface, a few times a second: plotly draws all anew. */
  drawSolid() {
    if (this.waiting || !this.paths || !this.view) return;
    this.waiting = setTimeout(() => {
      this.waiting = null;
      if (this.solid && this.plot.data)
        Plotly.react(this.plot, [this.plot.data[0], ...waysOf(this, this.row)], this.plot.layout, TURNED);
    }, 80);
  }

  drawStars(ink) {
    if (!this.minima) return;
    for (let i = 0; i < this.minima.shape[0]; i++) {
      const [x, y] = this.pixel(this.minima[2 * i], this.minima[2 * i + 1]);
      ink.beginPath();
      for (let k = 0; k < 10; k++) {
        const [turn, reach] = [(k * Math.PI) / 5 - Math.PI / 2, k % 2 ? 3.2 : 8];
        ink.lineTo(x + reach * Math.cos(turn), y + reach * Math.sin(turn));
      }
      ink.closePath();
      ink.fillStyle = STAR;
      ink.strokeStyle = "#333";
      ink.lineWidth = 1;
      ink.fill();
      ink.stroke();
    }
  }

  drawPath(ink, variant, color, row) {
    const { points, shown } = this.paths;
    if (shown && !shown[variant]) return;
    const rows = points.shape[1];
    const whole = Math.min(Math.floor(row), rows - 1);
    const part = Math.min(row, rows - 1) - whole;
    const at = (k) => {
      const i = 2 * (variant * rows + k);
      return [points[i], points[i + 1]];
    };
    let last = null;
    ink.beginPath();
    for (let k = 0; k <= whole; k++) {
      const [x, y] = at(k);
      if (!Number.isFinite(x) || !Number.isFinite(y)) break;
      const here = this.pixel(x, y);
      if (last) ink.lineTo(...here);
      else ink.moveTo(...here);
      last = here;
    }
    if (last && part > 0) {
      const [[x, y], [u, v]] = [at(whole), at(whole + 1)];
      if ([x, y, u, v].every(Number.isFinite)) {
        last = this.pixel(x + part * (u - x), y + part * (v - y));
        ink.lineTo(...last);
      }
    }
    if (!last) return;
    ink.strokeStyle = color;
    ink.lineWidth = this.flat ? 2 : 1;
    ink.lineJoin = "round";
    ink.globalAlpha = this.flat ? 1 : 0.45;
    ink.stroke();
    ink.globalAlpha = 1;
    if (rows <= 120 || !this.flat) this.drawSteps(ink, at, whole, color);
    const first = this.pixel(...at(0));
    this.dot(ink, first, 4.5, styleOf(this.root, "--ground"), color);
    this.dot(ink, last, 5, color, styleOf(this.root, "--ground"));
  }

  /** A small dot for each step that does not run into the one before. */
  drawSteps(ink, at, whole, color) {
    let [x, y] = [Infinity, Infinity];
    ink.fillStyle = color;
    for (let k = 1; k <= whole; k++) {
      const point = at(k);
      if (!point.every(Number.isFinite)) break;
      const [u, v] = this.pixel(...point);
      if (Math.hypot(u - x, v - y) < 5) continue;
      [x, y] = [u, v];
      ink.beginPath();
      ink.arc(u, v, 2.2, 0, 2 * Math.PI);
      ink.fill();
    }
  }

  dot(ink, [x, y], radius, fill, edge) {
    ink.beginPath();
    ink.arc(x, y, radius, 0, 2 * Math.PI);
    ink.fillStyle = fill;
    ink.strokeStyle = edge;
    ink.lineWidth = 2;
    ink.fill();
    ink.stroke();
  }

  drawCross(ink) {
    const [x, y] = this.pixel(...this.cross);
    ink.strokeStyle = styleOf(this.root, "--ink");
    ink.lineWidth = 1.2;
    ink.beginPath();
    for (const [dx, dy] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      ink.moveTo(x + 4 * dx, y + 4 * dy);
      ink.lineTo(x + 11 * dx, y + 11 * dy);
    }
    ink.stroke();
  }

  zoom(factor, [x, y]) {
    const about = this.flat ? [x, y] : [x];
    const box = this.box.map(([low, high], i) => [
      about[i] + (low - about[i]) * factor,
      about[i] + (high - about[i]) * factor,
    ]);
    if (box.every(([low, high]) => high - low > 1e-12 * Math.max(Math.abs(low), Math.abs(high)) && high - low < 1e12))
      this.told.move(box);
  }

  listen() {
    let pressed = null;
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => {
      pressed = { at: [event.clientX, event.clientY], place: this.place(event), box: this.box, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.box) return;
      if (!pressed) return this.told.look(this.place(event));
      const [dx, dy] = [event.clientX - pressed.at[0], event.clientY - pressed.at[1]];
      pressed.moved ||= Math.hypot(dx, dy) > CLICK;
      if (!pressed.moved) return;
      const here = this.place(event);
      this.told.move(
        pressed.box.map(([low, high], i) => [low + pressed.place[i] - here[i], high + pressed.place[i] - here[i]]),
        true,
      );
    });
    canvas.addEventListener("pointerup", (event) => {
      if (pressed && !pressed.moved) this.told.choose(this.place(event));
      else if (pressed) this.told.move(this.box);
      pressed = null;
    });
    canvas.addEventListener("pointerleave", () => (this.readout.textContent = ""));
    canvas.addEventListener("dblclick", () => this.told.move(null));
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.place(event));
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => ((this.cross = null), this.draw()));
  }

  key(event) {
    if (!this.box) return;
    const middle = [0, 1].map((i) => (this.box[i] ? (this.box[i][0] + this.box[i][1]) / 2 : 0));
    this.cross ??= middle;
    const step = this.box.map(([low, high]) => (high - low) / (event.shiftKey ? 100 : 25));
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (moves) this.cross = this.cross.map((c, i) => c + moves[i] * (step[i] || 0));
    else if (event.key === "Enter") this.told.choose(this.cross);
    else if (event.key === "+" || event.key === "=") this.zoom(0.8, this.cross);
    else if (event.key === "-") this.zoom(1.25, this.cross);
    else if (event.key === "0") this.told.move(null);
    else return;
    event.preventDefault();
    this.told.look(this.cross);
    this.draw();
  }
}

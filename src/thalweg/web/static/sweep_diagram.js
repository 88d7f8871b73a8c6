// Where a method ends for each value of one of its numbers: iterates, exponents and the last loss, over one axis.

const CHAOS = "#D55E00";
const STRIPS = [
  [0.45, 1],
  [0.255, 0.405],
  [0, 0.21],
]; // from the top down: iterates, exponents, losses
const FAR = 1e3; // times the first loss, above which a last loss is not shown

/** A number's name as an axis has it. */
function spoken(name) {
  return name === "learning_rate" ? "learning rate η" : name.replaceAll("_", " ");
}

/** A logarithmic axis between two powers of ten, with its numbers as all others; `most` of them or so. */
function decadesOf(low, high, most = 6) {
  const stride = Math.max(1, Math.ceil((high - low) / most));
  const wide = high - low > 1.7;
  const found = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
    if (wide && power % stride) continue;
    for (const digit of wide ? [1] : [1, 2, 3, 5, 7]) {
      const value = Number(`${digit}e${power}`);
      if (Math.log10(value) >= low - 1e-9 && Math.log10(value) <= high + 1e-9) found.push(value);
    }
  }
  return { type: "log", range: [low, high], tickvals: found, ticktext: found.map((value) => short(value, 3)) };
}

/** The place in a list of values, in geometric or else equal steps, that is nearest to one. */
function nearestOf(values, log, value) {
  const measure = log ? Math.log : (v) => v;
  const [first, last] = [measure(values[0]), measure(values[values.length - 1])];
  const place = Math.round(((measure(value) - first) / (last - first)) * (values.length - 1));
  return Math.max(0, Math.min(values.length - 1, place));
}

class SweepDiagram {
  /** `told` has look(value), take(value) and range(low, high) or range(null) for what a person does. */
  constructor(root, told) {
    Object.assign(this, { root, told });
    this.plot = make("div", { class: "plot" });
    this.canvas = make("canvas", {
      tabindex: 0,
      role: "img",
      "aria-label": "values of the number: click or press Enter to take one over, arrow keys to move, drag for a range",
    });
    this.readout = make("output", { class: "readout" });
    this.title = make("h3", {}, "where it ends");
    this.note = make("p", { class: "known" });
    this.element = make(
      "section",
      { class: "pane" },
      make("header", {}, this.title, this.readout),
      make("div", { class: "stage strips" }, this.plot, this.canvas),
      this.note,
    );
    this.listen();
  }

  /** `view` as Python has it; the exponents may come later. */
  async set(view, name, units) {
    Object.assign(this, { view, name, units, cross: null });
    await this.render();
  }

  /** The last losses as they are drawn: themselves, or above the lowest known where some are not positive. */
  heights() {
    const { loss, lowest, begin } = this.view;
    const finite = [...loss, begin].filter(Number.isFinite);
    let least = Math.min(...finite);
    const positive = least > 0;
    if (Number.isFinite(lowest)) least = Math.min(least, lowest);
    const base = positive ? 0 : least;
    this.above = base !== 0;
    const first = begin - base > 0 ? begin - base : 1;
    const floor = positive ? 0 : first * 1e-8; // what rounding leaves of a difference
    const shown = (value) => Number.isFinite(value) && value - base <= FAR * first;
    return Array.from(loss, (value) => (shown(value) ? Math.max(value - base, floor) : null));
  }

  async render() {
    const { view, root, name } = this;
    if (!view) return;
    const x = view.values;
    const ends = [x[0], x[x.length - 1]];
    const heights = this.heights();
    const rates = Array.from(this.exponent ?? [], (value) => (Number.isFinite(value) ? value : null));
    const accent = styleOf(root, "--accent");
    const line = (y, yaxis, width, more = {}) => ({
      x,
      y,
      yaxis,
      mode: "lines",
      connectgaps: false,
      line: { color: accent, width },
      ...more,
    });
    const chaos = rates.map((value) => (value === null ? null : Math.max(value, 0)));
    const data = [
      { x: ends, y: [null, null], yaxis: "y" },
      line(chaos, "y2", 0, { fill: "tozeroy", fillcolor: "rgba(213,94,0,.32)" }),
      line(rates, "y2", 1.2),
      line(heights, "y3", 1.4),
    ];
    const base = layoutOf(root, {
      margin: { l: 90, r: 14, t: 22, b: 44 },
      xaxis: {
        ...(view.log ? decadesOf(...ends.map(Math.log10)) : { range: ends }),
        anchor: "y3",
        mirror: "all",
        title: { text: spoken(name) },
      },
      yaxis: { domain: STRIPS[0], range: view.frame, nticks: 7, title: { text: withUnits(view.label, view.units) } },
    });
    await Plotly.react(this.plot, data, { ...base, ...this.lower(base.yaxis, rates, heights) }, PLAIN);
    this.paint();
    this.draw();
  }

  /** The axes of the two lower strips. */
  lower(axis, rates, heights) {
    const known = rates.filter((value) => value !== null).sort((a, b) => a - b);
    const low = Math.min(known[Math.floor(known.length * 0.03)] ?? -1, 0); // a superstable cycle has minus infinity
    const high = Math.max(known.at(-1) ?? 1, 0);
    const room = 0.12 * (high - low) || 1;
    const seen = heights.filter((value) => value > 0).map(Math.log10);
    const [least, most] = seen.length ? [Math.min(...seen), Math.max(...seen)] : [-1, 1];
    const strip = (i, text, more) => ({
      ...axis,
      nticks: 4,
      ...more,
      domain: STRIPS[i],
      title: { ...axis.title, text },
    });
    const span = decadesOf(least - 0.15 - 0.05 * (most - least), most + 0.15, 3);
    const words = this.above ? "last loss above<br>the lowest" : "last loss";
    const zero = { zeroline: true, zerolinecolor: styleOf(this.root, "--faint"), zerolinewidth: 1.2 };
    return {
      yaxis2: strip(1, "exponent λ<br>[1/step]", { range: [low - room, high + room], ...zero }),
      yaxis3: strip(2, withUnits(words, this.units.loss), span),
    };
  }

  /** The iterates, once: how many fall on each pixel, in logarithms, so that a million draw as fast as a thousand. */
  paint() {
    const { xaxis, yaxis } = this.plot._fullLayout;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [xaxis, yaxis].map((axis) => Math.max(1, Math.round(axis._length * ratio)));
    const { points, frame } = this.view;
    const [many, keep] = points.shape;
    const counts = new Uint32Array(width * height);
    let most = 1;
    for (let v = 0; v < many; v++) {
      const column = Math.min(width - 1, Math.floor((v * width) / many));
      const next = Math.max(column + 1, Math.min(width, Math.floor(((v + 1) * width) / many)));
      for (let k = 0; k < keep; k++) {
        const row = Math.floor(((frame[1] - points[v * keep + k]) / (frame[1] - frame[0])) * height);
        if (!(row >= 0 && row < height)) continue;
        for (let c = column; c < next; c++) most = Math.max(most, ++counts[row * width + c]);
      }
    }
    this.image = document.createElement("canvas");
    Object.assign(this.image, { width, height });
    const ink = this.image.getContext("2d");
    const image = ink.createImageData(width, height);
    const color = [1, 3, 5].map((i) => parseInt(styleOf(this.root, "--accent").slice(i, i + 2), 16));
    for (let i = 0; i < counts.length; i++) {
      if (!counts[i]) continue;
      for (let k = 0; k < 3; k++) image.data[4 * i + k] = color[k];
      image.data[4 * i + 3] = 255 * (0.4 + (0.6 * Math.log1p(counts[i])) / Math.log1p(most));
    }
    ink.putImageData(image, 0, 0);
  }

  /** What moves: the value that a person points at, the present one, the limit, and a range on its way. */
  draw() {
    if (!this.plot._fullLayout || !this.view) return;
    const ink = inkOf(this.canvas);
    const { xaxis, yaxis, yaxis3 } = this.plot._fullLayout;
    const [left, top, bottom] = [xaxis._offset, yaxis._offset, yaxis3._offset + yaxis3._length];
    if (this.image) ink.drawImage(this.image, left, top, xaxis._length, yaxis._length);
    const across = (value) => left + xaxis.d2p(value);
    const rule = (value, color, dash, width) => {
      const x = across(value);
      if (!(x >= left && x <= left + xaxis._length)) return null;
      ink.strokeStyle = color;
      ink.lineWidth = width;
      ink.setLineDash(dash);
      ink.beginPath();
      ink.moveTo(x, top);
      ink.lineTo(x, bottom);
      ink.stroke();
      ink.setLineDash([]);
      return x;
    };
    if (this.band) {
      ink.fillStyle = styleOf(this.root, "--accent") + "33";
      const [from, to] = this.band.map(across);
      ink.fillRect(Math.min(from, to), top, Math.abs(to - from), bottom - top);
    }
    const faint = styleOf(this.root, "--faint");
    ink.font = `11px ${styleOf(this.root, "--font")}`;
    for (const value of this.view.limits) {
      const x = rule(value, CHAOS, [6, 4], 1.4);
      const words = `limit ${short(value)}`;
      const wide = ink.measureText(words).width;
      ink.fillStyle = styleOf(this.root, "--ink");
      if (x !== null) ink.fillText(words, Math.max(left, Math.min(x - wide / 2, left + xaxis._length - wide)), top - 8);
    }
    if (this.present !== undefined) {
      const x = rule(this.present, faint, [2, 3], 1);
      if (x !== null) this.wedge(ink, x, bottom);
    }
    if (this.cross !== null) rule(this.cross, styleOf(this.root, "--ink"), [], 1);
  }

  /** The mark of the present value, on the axis. */
  wedge(ink, x, y) {
    ink.beginPath();
    ink.moveTo(x, y - 9);
    ink.lineTo(x - 6, y + 1);
    ink.lineTo(x + 6, y + 1);
    ink.closePath();
    ink.fillStyle = styleOf(this.root, "--ink");
    ink.fill();
  }

  nearest(value) {
    return nearestOf(this.view.values, this.view.log, value);
  }

  /** Mark a value, and say what is known there. */
  look(value) {
    this.cross = value;
    this.draw();
    if (!this.view || value === null) {
      this.readout.textContent = "";
      return;
    }
    const i = this.nearest(value);
    const { period, loss } = this.view;
    const rate = this.exponent?.length ? this.exponent[i] : NaN;
    const wild = rate > 0 ? "chaos" : "no period";
    const cycle = period[i] === 1 ? "at rest" : period[i] > 1 ? `period ${period[i]}` : wild;
    const known = `${cycle}   λ = ${short(rate, 3)}   last loss ${short(loss[i])}`;
    const end = Number.isFinite(loss[i]) ? known : "diverged";
    const symbol = this.name === "learning_rate" ? "η" : spoken(this.name);
    this.readout.textContent = `${symbol} = ${short(value)}   ${end}`;
  }

  at(event) {
    const { xaxis } = this.plot._fullLayout;
    const x = event.clientX - this.canvas.getBoundingClientRect().left - xaxis._offset;
    return xaxis.p2d(Math.max(0, Math.min(xaxis._length, x)));
  }

  listen() {
    let pressed = null;
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.view) return;
      pressed = { x: event.clientX, value: this.at(event), moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.view) return;
      const value = this.at(event);
      if (pressed) {
        pressed.moved ||= Math.abs(event.clientX - pressed.x) > CLICK;
        this.band = pressed.moved ? [pressed.value, value] : null;
      }
      this.told.look(value);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!pressed) return;
      const [from, moved, to] = [pressed.value, pressed.moved, this.at(event)];
      pressed = this.band = null;
      if (!moved) this.told.take(to);
      else if (from !== to) this.told.range(Math.min(from, to), Math.max(from, to));
    });
    canvas.addEventListener("pointerleave", () => this.told.look(null));
    canvas.addEventListener("blur", () => this.told.look(null));
    canvas.addEventListener("keydown", (event) => {
      if (!this.view) return;
      const { values } = this.view;
      const i = this.nearest(this.cross ?? this.present ?? values[values.length >> 1]);
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const wide = Math.max(1, Math.round(values.length / (event.shiftKey ? 1000 : 100)));
      if (step) this.told.look(values[Math.max(0, Math.min(values.length - 1, i + step * wide))]);
      else if (event.key === "Enter" && this.cross !== null) this.told.take(this.cross);
      else if (event.key === "0") this.told.range(null);
      else return;
      event.preventDefault();
    });
  }
}

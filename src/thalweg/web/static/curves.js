// The loss against steps, with the present step marked; and the player that moves it.

const DECADES = 20; // below the highest loss that an axis shows at most

class Curves {
  constructor(root, told) {
    this.root = root;
    this.plot = make("div", { class: "plot" });
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.element = make(
      "section",
      { class: "pane curves" },
      make("header", {}, make("h3", {}, "loss by step")),
      make("div", { class: "stage" }, this.plot, this.canvas),
    );
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.scrub(event, told);
    });
    this.canvas.addEventListener("pointermove", (event) => event.buttons && this.scrub(event, told));
  }

  scrub(event, told) {
    if (!this.plot._fullLayout) return;
    const { xaxis } = this.plot._fullLayout;
    told(xaxis.p2d(event.clientX - this.canvas.getBoundingClientRect().left - xaxis._offset));
  }

  /** `loss`: (variant, row); a logarithmic axis where the losses are positive and span more than two decades. */
  async set(loss, colors, shown, units) {
    Object.assign(this, { loss, colors, shown });
    const [many, rows] = loss.shape;
    const steps = Array.from({ length: rows }, (_, i) => i);
    let [low, high] = [Infinity, -Infinity];
    let first = -Infinity;
    for (let v = 0; v < many; v++) {
      if (!shown[v]) continue;
      first = Math.max(first, loss[v * rows]);
      for (let k = 0; k < rows; k++) {
        const value = loss[v * rows + k];
        if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
      }
    }
    const positive = low >= 0 && high > 0;
    let smallest = Infinity;
    if (positive) for (const value of loss) if (value > 0 && value < smallest) smallest = value;
    const log = positive && high / smallest > 100;
    const top = Number.isFinite(first) ? Math.min(high, first + (log ? 999 * first : Math.abs(first - low))) : high;
    const range = log
      ? [Math.max(Math.log10(smallest), Math.log10(top) - DECADES) - 0.2, Math.log10(top) + 0.2]
      : [low - 0.05 * (top - low || 1), top + 0.05 * (top - low || 1)];
    const data = [];
    for (let v = 0; v < many; v++) {
      if (!shown[v]) continue;
      const y = Array.from(loss.subarray(v * rows, (v + 1) * rows), (value) =>
        Number.isFinite(value) && (!log || value > 0) ? value : null,
      );
      data.push({ x: steps, y, mode: "lines", line: { color: colors[v], width: 1.8 }, connectgaps: false });
    }
    const layout = layoutOf(this.root, {
      xaxis: { range: [0, Math.max(rows - 1, 1)], title: { text: "step" } },
      yaxis: {
        type: log ? "log" : "linear",
        range: range.every(Number.isFinite) ? range : [-1, 1],
        title: { text: withUnits("loss", units) },
        ...(log ? { dtick: Math.max(1, Math.ceil((range[1] - range[0]) / 6)) } : {}),
      },
    });
    this.log = log;
    await Plotly.react(this.plot, data, layout, PLAIN);
    this.draw(this.row ?? Infinity);
  }

  draw(row) {
    this.row = row;
    if (!this.plot._fullLayout || !this.loss) return;
    const ink = inkOf(this.canvas);
    const { xaxis, yaxis } = this.plot._fullLayout;
    const [many, rows] = this.loss.shape;
    const at = Math.min(row, rows - 1);
    const x = xaxis._offset + xaxis.d2p(at);
    ink.strokeStyle = styleOf(this.root, "--faint");
    ink.setLineDash([3, 3]);
    ink.beginPath();
    ink.moveTo(x, yaxis._offset);
    ink.lineTo(x, yaxis._offset + yaxis._length);
    ink.stroke();
    ink.setLineDash([]);
    for (let v = 0; v < many; v++) {
      const value = this.loss[v * rows + Math.round(at)];
      if (!this.shown[v] || !Number.isFinite(value) || (this.log && value <= 0)) continue;
      const y = yaxis._offset + yaxis.d2p(value);
      if (y < yaxis._offset || y > yaxis._offset + yaxis._length) continue;
      ink.beginPath();
      ink.arc(xaxis._offset + xaxis.d2p(Math.round(at)), y, 4, 0, 2 * Math.PI);
      ink.fillStyle = this.colors[v];
      ink.fill();
    }
  }
}

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
const LASTS = 4; // seconds of a whole play at speed 1

class Player {
  constructor(draw) {
    this.draw = draw;
    this.row = 0;
    this.rows = 1;
    this.speed = 1;
    this.playing = false;
    this.button = make(
      "button",
      { class: "round", title: "play or pause (space)", "aria-label": "play", onclick: () => this.toggle() },
      "▶",
    );
    this.slider = make("input", {
      type: "range",
      min: 0,
      max: 1,
      step: "any",
      value: 0,
      "aria-label": "step",
      oninput: () => this.scrub(Number(this.slider.value)),
    });
    this.told = make("output", {}, "step 0");
    this.choice = make(
      "select",
      { "aria-label": "speed", onchange: () => (this.speed = Number(this.choice.value)) },
      ...SPEEDS.map((speed) => make("option", { value: speed, selected: speed === 1 }, `${speed}×`)),
    );
    this.element = make("div", { class: "player" }, this.button, this.slider, this.told, this.choice);
    this.frames = [];
  }

  /** A new record of so many rows: play it from its beginning, or all at once where a person wants no motion. */
  begin(rows, motion) {
    this.rows = rows;
    this.slider.max = rows - 1;
    this.row = motion ? 0 : rows - 1;
    this.show();
    if (motion) this.play();
    else this.pause();
  }

  play() {
    if (this.row >= this.rows - 1) this.row = 0;
    this.playing = true;
    this.button.textContent = "❚❚";
    this.button.setAttribute("aria-label", "pause");
    const turn = (this.turn = {});
    this.frames = [];
    let before = performance.now();
    const frame = (now) => {
      if (!this.playing || this.turn !== turn) return;
      this.frames.push(now - before);
      this.row = Math.min(this.rows - 1, this.row + ((this.rows - 1) * this.speed * (now - before)) / (1000 * LASTS));
      before = now;
      this.show();
      if (this.row >= this.rows - 1) this.pause();
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  pause() {
    this.playing = false;
    this.button.textContent = "▶";
    this.button.setAttribute("aria-label", "play");
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  scrub(row) {
    this.pause();
    this.row = Math.max(0, Math.min(this.rows - 1, row));
    this.show();
  }

  show() {
    this.slider.value = this.row;
    this.told.textContent = `step ${Math.floor(this.row)} of ${this.rows - 1}`;
    this.draw(this.row);
  }
}

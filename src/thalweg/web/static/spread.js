// Losses of many starts: their scale above the lowest, and the starts in order with the histogram beside them.

const DOTS = 800; // of a waterfall
const BINS = 36;
const LINEAR = 20; // the ratio of the differences of losses up to which their axis is linear
const NOWHERE = { light: "#bdbdbd", dark: "#59636d" }; // starts that reached no minimum
const AREAS = [0, 1, 2, 3, 4, 5, 7, 8, 9]; // of the palette; black would hide marks
const DARKEST = 9; // alone lighter on a dark page: the other lighter ones are too much like their neighbors for areas
const SWEEP = [
  [13, 8, 135],
  [106, 0, 168],
  [177, 42, 144],
  [225, 100, 98],
  [252, 166, 54],
  [246, 215, 70],
]; // plasma

/** A color for each of so many basins: of the palette where these suffice, else along their order. */
function areasOf(many, dark) {
  if (many <= AREAS.length) return AREAS.slice(0, many).map((index) => colorOf(index, dark && index === DARKEST));
  return Array.from({ length: many }, (_, i) => {
    const at = (i / (many - 1)) * (SWEEP.length - 1);
    const [low, part] = [Math.min(Math.floor(at), SWEEP.length - 2), at - Math.min(Math.floor(at), SWEEP.length - 2)];
    return `rgb(${SWEEP[low].map((c, k) => Math.round(c + part * (SWEEP[low + 1][k] - c))).join(",")})`;
  });
}

/** How losses are drawn, of which some are `level`, at the lowest: the height of each, null where it is not finite, and
 * the axis of heights. */
function heightsOf(losses, level, units) {
  let lowest = Infinity;
  for (const value of losses) if (Number.isFinite(value) && value < lowest) lowest = value;
  const above = Array.from(losses, (value, i) => (!Number.isFinite(value) ? null : level[i] ? 0 : value - lowest));
  let [least, most] = [Infinity, 0];
  for (const value of above) if (value > 0) [least, most] = [Math.min(least, value), Math.max(most, value)];
  const title = { text: withUnits(`loss above ${short(lowest, 5)}`, units) };
  if (!(most > 0)) return { heights: above, axis: { range: [-1, 1], title, tickvals: [0], ticktext: ["lowest"] } };
  if (most <= LINEAR * least) {
    const power = 10 ** Math.floor(Math.log10(most / 4));
    const step = power * [1, 2, 5, 10].find((times) => 4.5 * times * power >= most);
    const tickvals = Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
    const ticktext = tickvals.map((value) => short(value, 2));
    return { heights: above, axis: { range: [-0.05 * most, 1.07 * most], title, tickvals, ticktext } };
  }
  const [low, high] = [Math.floor(Math.log10(least)), Math.log10(most)];
  const room = 0.09 * (high - low);
  const stride = Math.max(1, Math.ceil((high - low) / 6));
  const decades = Array.from({ length: Math.floor((high - low) / stride) + 1 }, (_, i) => low + i * stride);
  const texts = decades.map((power) => short(10 ** power, 1));
  return {
    heights: above.map((value) => (value === null ? null : value > 0 ? Math.log10(value) : low - room)),
    axis: {
      title,
      range: [low - 2 * room, high + room],
      tickvals: [low - room, ...decades],
      ticktext: ["lowest", ...texts],
    },
  };
}

/** A chart of plotly without anything that moves over it. */
class Chart {
  constructor(root, words) {
    this.root = root;
    this.plot = make("div", { class: "plot" });
    this.title = make("h3", {}, words);
    this.readout = make("output", { class: "readout" });
    this.element = make(
      "section",
      { class: "pane curves" },
      make("header", {}, this.title, this.readout),
      make("div", { class: "stage" }, this.plot),
    );
    this.paths = { points: { shape: [0, 0, 2] }, colors: [], shown: [] }; // of which a picture has none
  }

  set(data, layout) {
    return Plotly.react(this.plot, data, layoutOf(this.root, layout), PLAIN);
  }

  fit() {
    if (this.plot._fullLayout) Plotly.Plots.resize(this.plot);
  }
}

/** The waterfall of one variant, in the colors of the basins, and the histogram of its losses at the same heights. */
class Spread {
  constructor(root) {
    this.chart = new Chart(root, "losses of the starts");
    this.element = this.chart.element;
  }

  /** `view`: what Python said of the starts; `colors` of its basins. */
  async set(view, colors, units) {
    const { level, label, loss } = view;
    const { root } = this.chart;
    const nowhere = NOWHERE[isDark(root) ? "dark" : "light"];
    const colorAt = (start) => (label[start] < 0 ? nowhere : colors[label[start]]);
    const first = level.findIndex((one) => !one);
    const levels = view.order.slice(0, first < 0 ? level.length : first).sort((a, b) => label[a] - label[b] || a - b);
    const order = Int32Array.from([...levels, ...view.order.subarray(levels.length)]);
    const { heights, axis } = heightsOf(
      Float64Array.from(order, (start) => loss[start]),
      level,
      units,
    );
    const many = order.length;
    const shown = Math.min(many, DOTS);
    const ranks = Array.from({ length: shown }, (_, i) => Math.round((i * (many - 1)) / Math.max(1, shown - 1)));
    const dots = {
      x: ranks.map((rank) => rank + 1),
      y: ranks.map((rank) => heights[rank]),
      mode: "markers",
      cliponaxis: false,
      marker: { size: many > 200 ? 4 : 6, color: ranks.map((rank) => colorAt(order[rank])) },
    };
    const lost = heights.filter((height) => height === null).length;
    this.chart.readout.textContent = lost ? `${lost} of ${many} are not finite` : "";
    const plain = colors.length > AREAS.length && styleOf(root, "--curve");
    const found = this.bars(heights, order, axis.range, plain ? () => plain : colorAt);
    const along = (words, range, domain, more = {}) => {
      const { xaxis } = layoutOf(root, { xaxis: { title: { text: words } } });
      return { ...xaxis, nticks: 4, tickformat: "~s", range, domain, ...more };
    };
    await this.chart.set([dots, ...found.bars], {
      xaxis: along("starts, by loss", [0, many * 1.02], [0, 0.6]),
      xaxis2: along("number of starts", [0, found.top * 1.08], [0.66, 1], { anchor: "y" }),
      yaxis: axis,
      barmode: "stack",
      bargap: 0,
      margin: { l: 66, r: 14, t: 8, b: 44 },
      shapes: [
        {
          type: "rect",
          xref: "paper",
          yref: "paper",
          x0: 0.6,
          x1: 0.66,
          y0: 0,
          y1: 1,
          line: { width: 0 },
          fillcolor: styleOf(root, "--page"),
          layer: "below",
        },
      ],
    });
  }

  bars(heights, order, [low, high], colorAt) {
    const size = (high - low) / BINS;
    const counts = new Map();
    const sums = new Array(BINS).fill(0);
    heights.forEach((height, rank) => {
      if (height === null) return;
      const bin = Math.max(0, Math.min(BINS - 1, Math.floor((height - low) / size)));
      const color = colorAt(order[rank]);
      if (!counts.has(color)) counts.set(color, new Array(BINS).fill(0));
      counts.get(color)[bin]++;
      sums[bin]++;
    });
    const middles = sums.map((_, bin) => low + (bin + 0.5) * size);
    const bars = [...counts].map(([color, x]) => ({
      type: "bar",
      orientation: "h",
      x,
      y: middles,
      xaxis: "x2",
      yaxis: "y",
      marker: { color, line: { width: 0 } },
    }));
    return { bars, top: Math.max(1, ...sums) };
  }
}

/** A labeled number or choice of a tab, kept in the state under a key, with what it is at first. */
function settingOf(page, key, words, kind, first, changed) {
  const field =
    kind === "choice" ? make("select", { id: key }) : make("input", { id: key, type: "number", min: 1, step: 1 });
  if (kind !== "choice") field.value = page.state[key] ?? first;
  field.addEventListener("change", () => {
    page.state[key] = kind === "choice" ? field.value : String(Math.round(Number(field.value)) || first);
    page.keep(page.state);
    changed();
  });
  return { field, element: make("label", { for: key }, words, field) };
}

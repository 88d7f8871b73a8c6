// Parts of charts: numbers rounded to their errors, keys, ranges, canvases, and pictures.

const RAISED = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹";

/** 1.23 ± 0.05: two digits of an error that begins with 1, 2 or 3, one of others, and the value as far. */
function rounded(value, error) {
  if (!Number.isFinite(value) || !(error > 0) || !Number.isFinite(error)) return short(value, 6);
  const place = (size) => Math.floor(Math.log10(size));
  const first = error / 10 ** place(error);
  let last = place(error) - (first < 3.55 ? 1 : 0);
  if (first >= 9.5) last = place(error);
  const size = place(Math.max(Math.abs(value), error));
  const power = size < -3 || size >= 6 || last > 0 ? size : 0;
  const digits = Math.min(12, Math.max(0, power - last));
  const text = (number) => (number / 10 ** power).toFixed(digits).replace("-", "−");
  const both = `${text(value)} ± ${text(error)}`;
  if (!power) return both;
  return `(${both})·10${[...String(power)].map((c) => RAISED["-0123456789".indexOf(c)]).join("")}`;
}

/** What plotly has drawn, as a file. */
async function imageOf(root, plot, format) {
  const size = { width: plot.clientWidth, height: plot.clientHeight };
  const figure = { data: plot.data, layout: { ...plot.layout, ...size, paper_bgcolor: styleOf(root, "--page") } };
  const address = await Plotly.toImage(figure, { format, ...size, scale: format === "png" ? 2 : 1 });
  const coded = address.slice(address.indexOf(",") + 1);
  return format === "svg"
    ? new Blob([decodeURIComponent(coded)], { type: "image/svg+xml" })
    : new Blob([Uint8Array.from(atob(coded), (c) => c.charCodeAt(0))], { type: "image/png" });
}

/** A chart with a title, a place for words beside it, and its plot. */
function chartOf(title, kind = "") {
  const plot = make("div", { class: "plot" });
  const words = make("div", { class: "key" });
  const stage = make("div", { class: "stage" }, plot);
  const element = make(
    "section",
    { class: `pane chart ${kind}` },
    make("header", {}, make("h3", {}, title), words),
    stage,
  );
  return { plot, words, stage, element };
}

/** A word of a key, with what it looks like. */
function keyOf(words, color, kind = "line") {
  const mark = make("span", { class: `mark ${kind}` });
  mark.style.background = kind === "ring" ? "none" : color;
  mark.style.borderColor = color;
  return make("span", { class: "said" }, mark, words);
}

/** A range with some room, in logarithms where the axis is; what is not finite, or not positive there, is left out. */
function rangeOf(values, log = false, room = 0.05) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    [low, high] = [Math.min(low, value), Math.max(high, value)];
  }
  if (!(low <= high)) return log ? [-1, 1] : [0, 1];
  if (log) [low, high] = [Math.log10(low), Math.log10(high)];
  const wide = high - low || (log ? 1 : Math.abs(high) || 1);
  return [low - room * wide, high + room * wide];
}

/** How far ticks of a logarithmic axis are apart: decades, or 1, 2 and 5 of each where there are few. */
function ticksOf([low, high], most) {
  return high - low < 1.6 ? "D2" : Math.ceil((high - low) / most);
}

/** Which of these is nearest. */
function closestOf(grid, at) {
  let best = 0;
  for (let i = 1; i < grid.length; i++) if (Math.abs(grid[i] - at) < Math.abs(grid[best] - at)) best = i;
  return best;
}

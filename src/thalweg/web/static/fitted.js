// The charts of a fit.

const ENDINGS = ["circle", "square", "x", "triangle-up", "diamond", "cross"];

/** The observations, the curve and its bands. */
async function drawCurve(tab) {
  const [view, colors, data] = [tab.result, tab.colors, []];
  const [logx, logy] = [tab.logx.checked, tab.logy.checked];
  const x = view.across ?? view.predicted;
  const text = (alpha) => `rgba(${colors.band},${alpha})`;
  const band = (name, alpha) =>
    view[`${name}_low`] &&
    data.push(
      { x: view.grid, y: view[`${name}_high`], mode: "lines", line: { width: 0 } },
      {
        x: view.grid,
        y: view[`${name}_low`],
        mode: "lines",
        line: { width: 0 },
        fill: "tonexty",
        fillcolor: text(alpha),
      },
    );
  const shown = view.prediction_low ? [view.prediction_low, view.prediction_high] : [];
  const ends = rangeOf(
    [...view.observed, ...(view.model ?? view.predicted), ...shown.flatMap((side) => [...side])],
    logy,
  );
  const across = rangeOf(x, logx);
  band("prediction", 0.12);
  band("confidence", 0.3);
  if (view.grid) data.push({ x: view.grid, y: view.model, mode: "lines", line: { color: colors.curve, width: 2 } });
  else {
    const sides = logx ? across.map((end) => 10 ** end) : across;
    data.push({ x: sides, y: sides, mode: "lines", line: { color: colors.curve, width: 1.6 } });
  }
  const dots = {
    color: view.weight ? [...view.weight].map((w) => (w < 0.5 ? "rgba(0,0,0,0)" : colors.dots)) : colors.dots,
    size: view.observed.length > 300 ? 4 : 6,
    opacity: 0.85,
    line: { width: 1.2, color: colors.dots },
  };
  const bars = view.sigma
    ? { error_y: { array: view.sigma, thickness: 1, width: 0, color: styleOf(tab.root, "--faint") } }
    : {};
  data.push({ x, y: view.observed, mode: "markers", type: "scatter", marker: dots, ...bars });
  await Plotly.react(
    tab.data.plot,
    data,
    layoutOf(tab.root, {
      xaxis: {
        type: logx ? "log" : "linear",
        range: across,
        title: { text: view.predictor || `predicted ${view.response}` },
      },
      yaxis: { type: logy ? "log" : "linear", range: ends, title: { text: view.response } },
    }),
    PLAIN,
  );
  const share = `${short(100 * view.level, 3)} %`;
  tab.data.words.replaceChildren(
    keyOf("observed", colors.dots, "dot"),
    ...(view.weight ? [keyOf("counts less than half", colors.dots, "ring")] : []),
    keyOf(view.grid ? "model" : "observed = predicted", colors.curve),
    ...(view.confidence_low ? [keyOf(`${share} confidence`, text(0.42), "block")] : []),
    ...(view.prediction_low ? [keyOf(`${share} prediction`, text(0.17), "block")] : []),
  );
  tab.across = across;
}

/** What the model leaves. */
async function drawResiduals(tab) {
  const [view, colors] = [tab.result, tab.colors];
  const left = [...view.observed].map((value, i) => value - view.predicted[i]);
  const s = view.deviation;
  const sides = tab.logx.checked ? tab.across.map((end) => 10 ** end) : tab.across;
  const data = [{ x: sides, y: [0, 0], mode: "lines", line: { color: colors.curve, width: 1.4 } }];
  if (Number.isFinite(s))
    data.unshift({
      x: [...sides, ...[...sides].reverse()],
      y: [s, s, -s, -s],
      fill: "toself",
      mode: "lines",
      line: { width: 0 },
      fillcolor: `rgba(${colors.band},0.14)`,
    });
  data.push({
    x: view.across ?? view.predicted,
    y: left,
    mode: "markers",
    marker: { color: colors.dots, size: left.length > 300 ? 4 : 6, opacity: 0.85 },
  });
  await Plotly.react(
    tab.rest.plot,
    data,
    layoutOf(tab.root, {
      xaxis: {
        type: tab.logx.checked ? "log" : "linear",
        range: tab.across,
        title: { text: view.predictor || `predicted ${view.response}` },
      },
      yaxis: { range: rangeOf([...left, s, -s, 0], false, 0.12), title: { text: "observed − model" }, nticks: 5 },
    }),
    PLAIN,
  );
  tab.rest.words.replaceChildren(
    ...(Number.isFinite(s) ? [keyOf(`± s = ${short(s, 3)}`, `rgba(${colors.band},0.3)`, "block")] : []),
  );
}

/** The losses of all starts from the lowest up, each by what became of it. */
async function drawEndings(tab) {
  const view = tab.result;
  tab.starts.element.hidden = view.losses.length < 2;
  const kinds = [...new Set(view.outcomes)].sort();
  const at = (kind) => [...view.outcomes].flatMap((one, i) => (one === kind && view.losses[i] > 0 ? [i] : []));
  const data = kinds.map((kind) => ({
    x: at(kind).map((i) => i + 1),
    y: at(kind).map((i) => view.losses[i]),
    mode: "markers",
    marker: { symbol: ENDINGS[kind], color: colorOf(kind, tab.page.dark), size: 6 },
  }));
  const range = rangeOf(view.losses, true, 0.1);
  const wide = range[1] - range[0] < 1 ? [range[0] - 0.5, range[1] + 0.5] : range;
  await Plotly.react(
    tab.starts.plot,
    data,
    layoutOf(tab.root, {
      xaxis: { range: [0, view.losses.length + 1], title: { text: "start, the best first" }, nticks: 6 },
      yaxis: { type: "log", range: wide, title: { text: "loss" }, dtick: ticksOf(wide, 4) },
    }),
    PLAIN,
  );
  tab.starts.words.replaceChildren(
    ...kinds.map((kind) =>
      keyOf(
        `${[...view.outcomes].filter((one) => one === kind).length} ${view.meanings[kind]}`,
        colorOf(kind, tab.page.dark),
        "dot",
      ),
    ),
  );
}

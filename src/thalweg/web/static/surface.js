// The same view as a surface to turn: heights and colors are those of the contours.

const LIFTED = 0.012; // of the height, by which paths lie above the surface

/** What plotly draws for a pane with its paths up to a row. */
function surfaceOf(pane, row) {
  const { view, relief } = pane;
  const dark = isDark(pane.root);
  const width = view.sides[0].length;
  const z = Array.from({ length: view.sides[1].length }, (_, j) =>
    Array.from(view.loss.subarray(j * width, (j + 1) * width), relief.draw),
  );
  const ground = {
    type: "surface",
    x: view.sides[0],
    y: view.sides[1],
    z,
    colorscale: reliefOf(dark),
    cmin: relief.low,
    cmax: relief.high,
    showscale: false,
    hoverinfo: "skip",
    lighting: { ambient: 0.75, diffuse: 0.5, specular: 0.04, roughness: 0.9 },
    contours: {
      z: {
        show: true,
        start: relief.low,
        end: relief.high,
        size: (relief.high - relief.low) / LEVELS || 1,
        color: dark ? "#5b7084" : "#8796a5",
        width: 1,
      },
    },
  };
  return [ground, ...waysOf(pane, row)];
}

/** The paths up to a row, above the surface, each with a mark at its end. */
function waysOf(pane, row) {
  const { points, colors, shown, loss } = pane.paths;
  const rows = points.shape[1];
  const raise = LIFTED * (pane.relief.high - pane.relief.low);
  const inside = (x, y) => x >= pane.box[0][0] && x <= pane.box[0][1] && y >= pane.box[1][0] && y <= pane.box[1][1];
  return colors.map((color, v) => {
    const way = { x: [], y: [], z: [] };
    for (let k = 0; k <= Math.min(row, rows - 1); k++) {
      const [x, y] = [points[2 * (v * rows + k)], points[2 * (v * rows + k) + 1]];
      const height = pane.relief.draw(loss[v * rows + k]);
      const seen = inside(x, y) && height !== null;
      way.x.push(seen ? x : null);
      way.y.push(seen ? y : null);
      way.z.push(seen ? Math.min(height, pane.relief.high) + raise : null);
    }
    const last = way.x.length - 1;
    return {
      type: "scatter3d",
      mode: "lines+markers",
      ...way,
      visible: shown[v],
      hoverinfo: "skip",
      connectgaps: false,
      line: { color, width: 5 },
      marker: { color, size: way.x.map((_, k) => (k === last ? 5 : k ? 0.1 : 4)), line: { width: 0 } },
    };
  });
}

/** The box around it, whose vertical axis tells losses. */
function sceneLayoutOf(pane, units) {
  const ink = styleOf(pane.root, "--ink");
  const faint = styleOf(pane.root, "--line");
  const axis = (words, more) => ({
    title: { text: words, font: { size: 12 } },
    color: ink,
    gridcolor: faint,
    zerolinecolor: faint,
    tickfont: { size: 10 },
    backgroundcolor: styleOf(pane.root, "--ground"),
    showbackground: true,
    showspikes: false,
    nticks: 6,
    ...more,
  });
  const { relief, labels, box } = pane;
  const ticks = [0, 1, 2, 3].map((i) => relief.low + ((relief.high - relief.low) * i) / 3);
  const written = {
    tickvals: ticks,
    ticktext: ticks.map((t) => short(relief.back(t), 2)),
    range: [relief.low, relief.high + (relief.high - relief.low) * 0.05],
  };
  return layoutOf(pane.root, {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    uirevision: "turned",
    dragmode: "turntable",
    scene: {
      xaxis: axis(withUnits(labels[0], pane.units), { range: box[0] }),
      yaxis: axis(withUnits(labels[1], pane.units), { range: box[1] }),
      zaxis: axis(withUnits("loss", units.loss), written),
      aspectratio: { x: 1.15, y: 1.15, z: 0.75 },
      camera: { eye: { x: -0.95, y: -1.15, z: 1.75 }, center: { x: 0, y: 0, z: -0.12 } },
      uirevision: "turned",
    },
  });
}

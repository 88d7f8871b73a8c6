// Files for a person to keep.

/** A view with its paths as plotly draws them, as PNG or SVG. */
async function pictureOf(pane, format) {
  const { points, colors, shown } = pane.paths;
  const rows = points.shape[1];
  const lines = colors.map((color, v) => {
    const part = points.subarray(2 * v * rows, 2 * (v + 1) * rows);
    const side = (k) =>
      Array.from({ length: rows }, (_, i) => (Number.isFinite(part[2 * i + k]) ? part[2 * i + k] : null));
    return {
      x: side(0),
      y: side(1),
      mode: "lines+markers",
      line: { color, width: 2 },
      marker: { size: 4 },
      visible: shown[v],
    };
  });
  const stars = {
    x: [],
    y: [],
    mode: "markers",
    marker: { symbol: "star", size: 13, color: STAR, line: { width: 1, color: "#333" } },
  };
  for (let i = 0; i < (pane.minima?.shape[0] ?? 0); i++) {
    stars.x.push(pane.minima[2 * i]);
    stars.y.push(pane.minima[2 * i + 1]);
  }
  const size = { width: pane.plot.clientWidth, height: pane.plot.clientHeight };
  const figure = {
    data: [...pane.plot.data, ...lines, stars],
    layout: { ...pane.plot.layout, ...size, paper_bgcolor: styleOf(pane.root, "--page") },
  };
  const address = await Plotly.toImage(figure, { format, ...size, scale: format === "png" ? 2 : 1 });
  const coded = address.slice(address.indexOf(",") + 1);
  return format === "svg"
    ? new Blob([decodeURIComponent(coded)], { type: "image/svg+xml" })
    : new Blob([Uint8Array.from(atob(coded), (c) => c.charCodeAt(0))], { type: "image/png" });
}

function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

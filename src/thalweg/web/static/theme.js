// Colors, and what all charts have in common.

// Okabe and Ito (2008) without their yellow, too pale for a line, then wine, olive and indigo of Paul Tol.
const PALETTE = [
  "#0072B2",
  "#D55E00",
  "#009E73",
  "#CC79A7",
  "#E69F00",
  "#56B4E9",
  "#000000",
  "#882255",
  "#999933",
  "#332288",
];
const STAR = "#F0E442";

/** The color of a variant; on a dark page black and the darkest ones are lighter. */
function colorOf(index, dark) {
  const color = PALETTE[index % PALETTE.length];
  return dark
    ? { "#000000": "#E8EDF2", "#882255": "#D8719B", "#332288": "#9C8FE8", "#0072B2": "#4AA8E0" }[color] || color
    : color;
}

function isDark(root) {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** The value of a variable of the style sheet. */
function styleOf(root, name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

const TURNED = { displayModeBar: false, responsive: false, scrollZoom: true };
const PLAIN = { displayModeBar: false, responsive: false, staticPlot: true };

/** Axes, fonts and grounds of every chart. */
function layoutOf(root, more = {}) {
  const ink = styleOf(root, "--ink");
  const faint = styleOf(root, "--line");
  const axis = {
    color: ink,
    gridcolor: faint,
    linecolor: faint,
    zerolinecolor: faint,
    ticks: "outside",
    tickcolor: faint,
    ticklen: 4,
    showline: true,
    mirror: true,
    zeroline: false,
    automargin: false,
    tickfont: { size: 11 },
    title: { font: { size: 12 }, standoff: 6 },
    exponentformat: "power",
  };
  const { xaxis = {}, yaxis = {}, ...rest } = more;
  // plotly draws powers of ten 1.25 times as large as it is told
  const sized = ({ type, ticktext }) => (type === "log" && !ticktext ? { tickfont: { size: 8.8 } } : {});
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: styleOf(root, "--ground"),
    font: { family: styleOf(root, "--font"), color: ink, size: 12 },
    margin: { l: 58, r: 14, t: 8, b: 44 },
    showlegend: false,
    hovermode: false,
    dragmode: false,
    xaxis: { ...axis, ...sized(xaxis), ...xaxis, title: { ...axis.title, ...xaxis.title } },
    yaxis: { ...axis, ...sized(yaxis), ...yaxis, title: { ...axis.title, ...yaxis.title } },
    ...rest,
  };
}

/** Low ground is pale on a light page and dark on a dark one, so that paths stand out on either. */
function reliefOf(dark) {
  return dark
    ? [
        [0, "#12181f"],
        [0.5, "#22303d"],
        [1, "#3d5266"],
      ]
    : [
        [0, "#fbfcfd"],
        [0.5, "#d5dde5"],
        [1, "#a3b1c0"],
      ];
}

/** An element with attributes and children; texts are texts, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** With its unit in brackets, where it has one. */
function withUnits(words, units) {
  return units ? `${words} [${units}]` : words;
}

/** A canvas as large as it is shown, cleared; what draws on it. */
function inkOf(canvas) {
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== width * ratio || canvas.height !== height * ratio) {
    canvas.width = width * ratio;
    canvas.height = height * ratio;
  }
  const ink = canvas.getContext("2d");
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, width, height);
  return ink;
}

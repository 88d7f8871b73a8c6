"use strict";

(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const probe = document.body.appendChild(document.createElement("i"));
  probe.hidden = true;

  // Colors by role. In the dark the darkest of the palette are lifted until they stand out from the paper.
  const LIFTED = { "#000000": "#eef2f6", "#882255": "#d2739f", "#332288": "#a79de6", "#0072b2": "#2f97d6" };
  const dark = () =>
    root.style.colorScheme ? root.style.colorScheme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  let printing = false;

  function color(role) {
    const [name, alpha] = role.slice(1).split("/");
    let found = name;
    if (name[0] === "#") {
      found = dark() && !printing ? LIFTED[name.toLowerCase()] || name : name;
    } else {
      probe.hidden = false;
      probe.style.color = `var(--${name})`;
      found = getComputedStyle(probe).color;
      probe.hidden = true;
    }
    if (!alpha) return found;
    const parts = found[0] === "#" ? [1, 3, 5].map((i) => parseInt(found.slice(i, i + 2), 16)) : found.match(/[\d.]+/g);
    return `rgba(${parts.slice(0, 3).join(",")},${alpha})`;
  }

  function painted(value) {
    if (value === "@relief")
      return [
        [0, color("@relief-0")],
        [0.5, color("@relief-1")],
        [1, color("@relief-2")],
      ];
    if (value === "@steep")
      return [
        [0, color("@steep-0")],
        [1, color("@steep-1")],
      ];
    if (typeof value === "string") return value[0] === "@" ? color(value) : value;
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object" && !ArrayBuffer.isView(value)) {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, painted(one)]));
    }
    return value;
  }

  function decoded({ dtype, bdata }) {
    const bytes = Uint8Array.from(atob(bdata), (letter) => letter.charCodeAt(0));
    return dtype === "f4" ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer);
  }

  const styles = figures.styles; // of each variant: its color, dash and symbol
  const written = (value) =>
    Number.isFinite(value) ? Number(value.toPrecision(4)).toString().replace("-", "−") : "not finite";

  // Paths come as one line with a gap after each start; here each becomes what is faint, what is done, and where it is.
  const places = [];
  const moving = [];
  const hiddenVariants = new Set();

  function lines(trace, steps, place, flat, crowd) {
    const [x, y, z, loss, away] = ["x", "y", "z", "loss", "away"].map((key) => trace[key] && decoded(trace[key]));
    const { variant, rows, name } = trace;
    const look = styles[variant];
    const deep = trace.type === "scatter3d";
    const own = deep ? { type: "scatter3d" } : { type: "scatter" };
    const text =
      loss &&
      Array.from(loss, (value, i) => {
        const said = `step ${steps[i % (rows + 1)] ?? ""}<br>loss ${written(value)}`;
        return away ? `${said}<br>out of the plane ${written(away[i])}` : said;
      });
    const all = deep ? { x, y, z } : { x, y };
    const faint = {
      ...own,
      ...all,
      name,
      variant,
      opacity: deep ? 0.5 : 0.45,
      mode: crowd ? "lines" : "lines+markers",
      line: { color: look.color, width: deep ? 2.5 : 1, dash: look.dash },
      marker: { color: look.color, size: deep ? 2 : 3.5 },
      ...(text ? { text, hovertemplate: `<b>${name}</b><br>%{text}<extra></extra>` } : { hoverinfo: "skip" }),
    };
    const done = {
      ...own,
      ...all,
      name,
      variant,
      mode: "lines",
      hoverinfo: "skip",
      line: { color: look.color, width: deep ? 6 : 2.2, dash: look.dash },
    };
    if (!deep && !crowd) Object.assign(done, { mode: "lines+markers", marker: { color: look.color, size: 5 } });
    if (flat) Object.assign(done, { line: { ...done.line, width: 0.8 }, opacity: 0.75 }); // chords, across the curve
    const many = x.length / (rows + 1) > 20;
    const now = {
      ...own,
      name,
      variant,
      mode: "markers",
      x: [],
      y: [],
      ...(deep ? { z: [] } : {}),
      hoverinfo: "skip",
      marker: {
        color: look.color,
        symbol: deep ? "circle" : look.symbol,
        size: deep ? 6 : many ? 6 : 11,
        line: { color: "@paper", width: many ? 0.5 : 1.5 },
      },
    };
    place.moves.push({ kind: "path", rows, x, y, z, at: place.data.length + 1 });
    place.data.push(faint, done, now);
  }

  function curve(trace, steps, place) {
    const look = styles[trace.variant];
    const [x, y] = [decoded(trace.x), decoded(trace.y)];
    const { name, variant, rows } = trace;
    const line = { color: look.color, width: 2, dash: look.dash };
    place.data.push({
      type: "scatter",
      mode: "lines",
      name,
      variant,
      x,
      y,
      line,
      hovertemplate: `<b>${name}</b><br>step %{x}<br>loss %{y:.4~g}<extra></extra>`,
    });
    place.moves.push({ kind: "curve", rows, x, y, at: place.data.length });
    place.data.push({
      type: "scatter",
      mode: "markers",
      name,
      variant,
      x: [],
      y: [],
      hoverinfo: "skip",
      cliponaxis: false,
      marker: { color: look.color, symbol: look.symbol, size: 10, line: { color: "@paper", width: 1.5 } },
    });
  }

  function starts(place) {
    const seen = new Map();
    for (const { kind, rows, x, y } of place.moves) {
      if (kind !== "path") continue;
      for (let i = 0; i < x.length; i += rows + 1) seen.set(`${x[i]} ${y[i]}`, [x[i], y[i]]);
    }
    const points = [...seen.values()];
    if (!points.length) return;
    place.data.push({
      type: "scatter",
      mode: "markers",
      name: "start",
      hoverinfo: "skip",
      x: points.map((point) => point[0]),
      y: points.map((point) => point[1]),
      marker: { symbol: "circle-open", size: points.length > 20 ? 6 : 11, color: "@ink", line: { width: 1.4 } },
    });
  }

  function placed(figure, element) {
    const place = { element, figure, data: [], moves: [] };
    // A dot for every step of many paths would hide them all, and take seconds to draw.
    const packed = figure.data.reduce((sum, trace) => sum + (trace.role === "path" ? trace.x.bdata.length : 0), 0);
    for (const trace of figure.data) {
      if (trace.role === "path") lines(trace, figure.steps || [], place, figure.flat, packed > 20000);
      else if (trace.role === "curve") curve(trace, figure.steps, place);
      else {
        const look = styles[trace.variant];
        const own = look
          ? {
              line: { ...trace.line, color: look.color, dash: look.dash },
              marker: { ...trace.marker, color: look.color },
            }
          : {};
        place.data.push({ ...trace, ...own });
      }
    }
    if (!figure.layout.scene) starts(place);
    places.push(place);
    if (place.moves.length) moving.push(place);
    draw(place);
    return place;
  }

  function axis(given, relief) {
    return {
      showgrid: !relief,
      gridcolor: "@grid",
      gridwidth: 1,
      zeroline: false,
      showline: true,
      linecolor: "@rule",
      mirror: relief,
      ticks: "outside",
      ticklen: 4,
      tickcolor: "@rule", // The powers of a logarithmic axis are written a quarter larger than they are told to be.
      tickfont: { size: given.type === "log" ? 9.6 : 12, color: "@soft" },
      nticks: 6,
      automargin: true,
      exponentformat: "power",
      minexponent: 4,
      fixedrange: false,
      ...given,
      title: { ...given.title, standoff: 10, font: { size: 13, color: "@ink" } },
    };
  }

  function layout({ figure, element }) {
    const relief = figure.data.some((trace) => trace.type === "contour");
    const family = getComputedStyle(root).getPropertyValue("--sans");
    const given = figure.layout;
    const base = {
      font: { family, size: 12.5, color: "@soft" },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: relief ? "@nowhere" : "rgba(0,0,0,0)",
      margin: { l: relief ? 56 : 74, r: 14, t: 12, b: 46 },
      hovermode: "closest",
      hoverlabel: {
        bgcolor: "@paper",
        bordercolor: "@rule",
        font: { family, size: 12.5, color: "@ink" },
        align: "left",
      },
      showlegend: Boolean(figure.legend),
      dragmode: "zoom",
      width: element.clientWidth || undefined,
      height: element.clientHeight || undefined,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12.5 }, bgcolor: "rgba(0,0,0,0)" },
    };
    if (given.scene) {
      const face = {
        gridcolor: "@rule",
        showbackground: false,
        zeroline: false,
        color: "@soft",
        nticks: 5,
        tickfont: { size: 11.5 },
        exponentformat: "power",
      };
      const titled = (key) => ({
        ...given.scene[key],
        title: { ...given.scene[key].title, font: { size: 13, color: "@ink" } },
      });
      const axes = Object.fromEntries(["xaxis", "yaxis", "zaxis"].map((key) => [key, { ...face, ...titled(key) }]));
      const camera = { eye: { x: -1.22, y: -1.36, z: 0.94 }, center: { x: -0.03, y: 0.03, z: -0.12 } };
      return {
        ...base,
        margin: { l: 0, r: 0, t: 0, b: 0 },
        scene: { ...axes, aspectmode: "manual", aspectratio: { x: 1, y: 1, z: 0.62 }, camera },
      };
    }
    return { ...base, xaxis: axis(given.xaxis, relief), yaxis: axis(given.yaxis, relief) };
  }

  function bar(trace) {
    if (!trace.colorbar) return trace;
    const colorbar = {
      thickness: 9,
      len: 1,
      lenmode: "fraction",
      ypad: 0,
      y: 0,
      yanchor: "bottom",
      outlinewidth: 0,
      ticks: "",
      tickfont: { size: 11, color: "@soft" },
      xpad: 8,
      ...trace.colorbar,
      title: { ...trace.colorbar.title, side: "right", font: { size: 12, color: "@soft" } },
    };
    return { ...trace, colorbar };
  }

  function draw(place) {
    const data = place.data.map((trace) => {
      const { role, rows, variant, ...rest } = painted(bar(trace));
      return { ...rest, visible: !hiddenVariants.has(trace.variant) };
    });
    try {
      Plotly.react(place.element, data, painted(layout(place)), {
        displayModeBar: false,
        showTips: false,
        doubleClick: "reset",
      }).catch(() => failed(place));
    } catch {
      failed(place);
    }
    if (place.moves.length) move(place, current);
  }

  function failed({ element }) {
    element.classList.add("failed");
    element.textContent = "This browser has no WebGL, which a surface needs.";
  }

  // Steps.

  const slider = document.getElementById("step");
  const output = document.getElementById("at");
  let current = slider ? Number(slider.value) : 0;

  function move(place, row) {
    const x = [],
      y = [],
      z = [],
      indices = [];
    for (const one of place.moves) {
      const at = Math.min(row, one.rows - 1);
      const picked = (values) => {
        if (one.kind === "curve") return [values[at]];
        const found = [];
        for (let i = 0; i < values.length; i += one.rows + 1) found.push(values[i + at]);
        return found;
      };
      if (one.kind === "path") {
        const until = (values) => values.map((value, i) => (i % (one.rows + 1) > at ? NaN : value));
        x.push(until(one.x));
        y.push(one.y);
        if (one.z) z.push(one.z);
        indices.push(one.at);
      }
      x.push(picked(one.x));
      y.push(picked(one.y));
      if (one.z) z.push(picked(one.z));
      indices.push(one.kind === "path" ? one.at + 1 : one.at);
    }
    for (const [i, index] of indices.entries()) {
      Object.assign(place.data[index], { x: x[i], y: y[i], ...(z.length ? { z: z[i] } : {}) });
    }
    if (place.element.data) Plotly.restyle(place.element, z.length ? { x, y, z } : { x, y }, indices);
  }

  function show(row) {
    current = row;
    slider.value = row;
    const steps = moving[0].figure.steps;
    const said = `${steps[row]} of ${steps[steps.length - 1]}`;
    output.textContent = said;
    slider.setAttribute("aria-valuetext", `step ${said}`);
    for (const place of moving) if (!place.element.hidden) move(place, row);
  }

  let waiting = 0;
  let timer = 0;
  const play = document.getElementById("play");

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    play.setAttribute("aria-label", "Play the steps");
  }

  if (slider) {
    slider.addEventListener("input", () => {
      stop();
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(() => show(Number(slider.value)));
    });
    play.addEventListener("click", () => {
      if (timer) return stop();
      if (current >= Number(slider.max)) show(0);
      play.textContent = "Stop";
      play.setAttribute("aria-label", "Stop at this step");
      const every = Math.max(40, Math.min(350, 6000 / Number(slider.max)));
      timer = setInterval(() => (current < Number(slider.max) ? show(current + 1) : stop()), every);
    });
  }

  // Views, variants, themes, sizes.

  function view(kind) {
    for (const button of document.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === kind));
    }
    for (const plot of document.querySelectorAll("#paths .plot")) {
      const [flat, deep] = plot.querySelectorAll(".canvas");
      if (!deep) continue;
      flat.hidden = kind === "surface";
      deep.hidden = kind !== "surface";
      const place = places.find((one) => one.element === (kind === "surface" ? deep : flat));
      if (place) draw(place);
      else {
        const figure = figures[plot.dataset.figure];
        placed({ ...figure.surface, steps: figure.steps }, deep);
      }
    }
  }

  function redraw() {
    for (const swatch of document.querySelectorAll(".swatch")) {
      const role = swatch.dataset.color;
      swatch.style.background = role[0] === "@" ? color(role) : role;
    }
    for (const place of places) if (!place.element.hidden) draw(place);
  }

  const toggle = document.getElementById("theme");
  function themed() {
    toggle.textContent = dark() ? "Light" : "Dark";
    toggle.setAttribute("aria-pressed", String(dark()));
    toggle.setAttribute("aria-label", dark() ? "Change to light colors" : "Change to dark colors");
  }
  toggle.addEventListener("click", () => {
    root.style.colorScheme = dark() ? "light" : "dark";
    themed();
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    themed();
    redraw();
  });

  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => view(button.dataset.view));
  }
  for (const chip of document.querySelectorAll(".chip")) {
    chip.addEventListener("click", () => {
      const variant = Number(chip.dataset.variant);
      const shown = hiddenVariants.has(variant);
      if (shown) hiddenVariants.delete(variant);
      else hiddenVariants.add(variant);
      for (const same of document.querySelectorAll(`.chip[data-variant="${variant}"]`))
        same.setAttribute("aria-pressed", String(shown));
      for (const place of places) if (!place.element.hidden) draw(place);
    });
  }

  for (const plot of document.querySelectorAll("[data-figure]")) {
    const figure = figures[plot.dataset.figure];
    const flat = plot.querySelector(".canvas");
    if (figure.surface && figure.surface.data) {
      const deep = flat.cloneNode(false);
      deep.hidden = true;
      deep.setAttribute(
        "aria-label",
        flat.getAttribute("aria-label").replace("over the loss", "on a surface of the loss"),
      );
      flat.after(deep);
    }
    placed(figure, flat);
  }
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(redraw);
    }
  });
  addEventListener("beforeprint", () => {
    printing = true;
    redraw();
  });
  addEventListener("afterprint", () => {
    printing = false;
    redraw();
  });
  themed();
  redraw();
  if (slider) show(current);
  root.dataset.ready = "true";
})();

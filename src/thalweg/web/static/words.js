"use strict";
// The state of the page, in the words of the command line, and its address.

const FIRST = {
  problem: "pbdl",
  methods: ["gradient_descent:learning_rate=0.05", "newton:learning_rate=0.3", "inverse_simulator:learning_rate=0.3"],
  start: null,
  steps: 60,
  key: 0,
  dtype: "float32",
};

/** The state that an address writes; what it leaves out is as at first. */
function stateOf(address) {
  const said = new URLSearchParams(address.replace(/^#/, ""));
  const state = { ...FIRST, tab: said.get("tab") || "paths", view: said.get("view") || "contour", boxes: {} };
  if (said.has("problem")) state.problem = said.get("problem");
  if (said.has("method")) state.methods = said.getAll("method");
  if (said.has("start")) state.start = said.get("start").split(",").map(Number);
  for (const name of ["steps", "key"]) if (said.has(name)) state[name] = Number(said.get(name));
  if (said.has("dtype")) state.dtype = said.get("dtype");
  for (const one of said.getAll("box")) {
    const [pane, ...ends] = one.split(",").map(Number);
    state.boxes[pane] = ends.length > 2 ? [ends.slice(0, 2), ends.slice(2)] : [ends];
  }
  for (const [name, value] of said) if (name.startsWith("of.")) state[name] = value;
  return state;
}

function addressOf(state) {
  const said = new URLSearchParams();
  said.set("problem", state.problem);
  for (const method of state.methods) said.append("method", method);
  if (state.start) said.set("start", state.start.join(","));
  said.set("steps", state.steps);
  if (state.key) said.set("key", state.key);
  if (state.dtype !== FIRST.dtype) said.set("dtype", state.dtype);
  if (state.tab !== "paths") said.set("tab", state.tab);
  if (state.view !== "contour") said.set("view", state.view);
  for (const [pane, box] of Object.entries(state.boxes)) said.append("box", [pane, ...box.flat()].join(","));
  for (const [name, value] of Object.entries(state)) if (name.startsWith("of.")) said.set(name, value);
  return "#" + said.toString();
}

/** What a question has of the state. */
function sceneOf(state) {
  const { problem, methods, start, steps, key, dtype } = state;
  return { problem, methods, start, steps, key, dtype };
}

/** {name, numbers} of a word such as adam:learning_rate=0.1,b1=0.8; commas within brackets part nothing. */
function partsOf(word) {
  const at = word.indexOf(":");
  const name = at < 0 ? word : word.slice(0, at);
  const numbers = new Map();
  let depth = 0;
  let piece = "";
  const keep = () => {
    const equals = piece.indexOf("=");
    if (equals > 0) numbers.set(piece.slice(0, equals).trim(), piece.slice(equals + 1).trim());
    piece = "";
  };
  for (const letter of at < 0 ? "" : word.slice(at + 1)) {
    depth += { "(": 1, "[": 1, ")": -1, "]": -1 }[letter] || 0;
    if (letter === "," && depth === 0) keep();
    else piece += letter;
  }
  keep();
  return { name, numbers };
}

function wordOf({ name, numbers }) {
  const said = [...numbers].filter(([, value]) => value !== "").map(([key, value]) => `${key}=${value}`);
  return said.length ? `${name}:${said.join(",")}` : name;
}

/** A number as a person writes it, with so many digits. */
function short(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e5) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    const raised = [...String(Number(power))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("");
    const plain = String(Number(mantissa)).replace("-", "−");
    return plain === "1" ? `10${raised}` : `${plain}·10${raised}`;
  }
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

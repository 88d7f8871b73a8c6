// Questions to Python and its answers, over a websocket or a widget.

/** Refused: a sentence for the person. Stopped: it was told to end, or a newer question took its place. */
class Refused extends Error {}
class Stopped extends Error {}

class Link {
  /** `transport` has send(question) and calls `taken(header, buffers)`. */
  constructor(transport) {
    this.transport = transport;
    this.open = new Map();
    this.number = 0;
    transport.taken = (header, buffers) => this.take(header, buffers);
  }

  ask(what, state, more = {}, tell = () => {}) {
    const id = this.number++;
    return new Promise((done, failed) => {
      this.open.set(id, { done, failed, tell });
      this.transport.send({ id, ask: what, state: sceneOf(state), ...more });
    });
  }

  stop() {
    this.transport.send({ stop: true });
  }

  take(header, buffers) {
    const question = this.open.get(header.id);
    if (!question) return;
    if (header.progress) return question.tell(...header.progress);
    this.open.delete(header.id);
    if ("view" in header) question.done(withArrays(header.view, buffers));
    else if (header.stopped) question.failed(new Stopped());
    else question.failed(new Refused(header.refused || `Python raised ${header.failed}`));
  }

  /** The other side is gone: nothing under way will be answered. */
  drop() {
    for (const question of this.open.values()) question.failed(new Stopped());
    this.open.clear();
  }
}

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array };

/** A header with the arrays that it names in their places, each with its `shape`. */
function withArrays(value, buffers) {
  if (Array.isArray(value)) return value.map((one) => withArrays(one, buffers));
  if (value === null || typeof value !== "object") return value;
  if ("array" in value && "dtype" in value) {
    const view = buffers[value.array];
    const bytes =
      view instanceof DataView ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : view;
    const array = new ARRAYS[value.dtype](bytes);
    array.shape = value.shape;
    return array;
  }
  if ("number" in value && Object.keys(value).length === 1) {
    return { inf: Infinity, "-inf": -Infinity }[value.number] ?? NaN;
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withArrays(one, buffers)]));
}

/** How many arrays there are, and of how many bytes, in the order in which they follow the header. */
function sizesOf(value, found = []) {
  if (Array.isArray(value)) value.forEach((one) => sizesOf(one, found));
  else if (value && typeof value === "object") {
    if ("array" in value && "dtype" in value) {
      const many = value.shape.reduce((a, b) => a * b, 1);
      found[value.array] = many * ARRAYS[value.dtype].BYTES_PER_ELEMENT;
    } else Object.values(value).forEach((one) => sizesOf(one, found));
  }
  return found;
}

/** The server of this page; `lost` and `found` tell whether it is there. */
class Wire {
  constructor(lost, found) {
    this.waiting = [];
    this.lost = lost;
    this.found = found;
    this.connect();
  }

  connect() {
    this.socket = new WebSocket(`ws://${location.host}/live`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.found();
      for (const text of this.waiting.splice(0)) this.socket.send(text);
    };
    this.socket.onmessage = ({ data }) => {
      const length = new DataView(data).getUint32(0, true);
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
      let at = 4 + length;
      const buffers = sizesOf(header).map((size) => {
        const part = data.slice(at, at + size);
        at += Math.ceil(size / 8) * 8;
        return part;
      });
      this.taken(header, buffers);
    };
    this.socket.onclose = () => {
      this.waiting = []; // nobody waits for these answers any more
      this.lost();
      setTimeout(() => this.connect(), 2000);
    };
  }

  send(question) {
    const text = JSON.stringify(question);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text);
    else this.waiting.push(text);
  }
}

/** The kernel behind a widget of a notebook. */
class Kernel {
  constructor(model) {
    this.model = model;
    model.on("msg:custom", (header, buffers) => this.taken(header, buffers));
  }

  send(question) {
    this.model.send(question);
  }
}

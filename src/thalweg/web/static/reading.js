// Files that a person gives to the page.

const LARGEST = 2 << 20; // bytes of a table

/** A file as text: in UTF-8, in UTF-16 where it says so, or else as Windows writes it. */
async function textOf(file) {
  const bytes = await file.arrayBuffer();
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  const wide = { "255,254": "utf-16le", "254,255": "utf-16be" }[`${first},${second}`];
  try {
    return new TextDecoder(wide ?? "utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/** A column as a formula says it: in quotes where it is no plain name. */
function spelled(name) {
  return /^[A-Za-z_]\w*$/.test(name) ? name : `'${name}'`;
}

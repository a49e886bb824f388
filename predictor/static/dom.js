// Elements from values, never from text that could be markup; and how numbers and times are written.
const SVG = "http://www.w3.org/2000/svg";

function fill(element, children) {
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== "").map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** Return an HTML element; properties are the DOM's, `dataset` and `style` take objects. */
export function h(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "dataset" || key === "style") Object.assign(element[key], value);
    else if (key === "class") element.className = value;
    else if (key === "role" || key === "scope") element.setAttribute(key, value);
    else element[key] = value;
  }
  return fill(element, children);
}

/** Return an SVG element with attributes. */
export function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return fill(element, children);
}

export const number = (value) => value.toLocaleString("en");
export const price = (value) => value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: value < 1 ? 5 : 2 });
export const share = (value) => `${(100 * value).toFixed(1)}\u00a0%`;
/** Write a return with its sign; the minus is the typographic one. */
export const percent = (value) => (Math.abs(value) < 5e-7 ? "±0.000\u00a0%" : `${value > 0 ? "+" : "−"}${Math.abs(100 * value).toFixed(3)}\u00a0%`);
export const utc = (text) => new Date(text).toISOString().slice(11, 16);
export const when = (text) => `${new Date(text).toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** Write how long ago an instant of this machine's clock was. */
export function ago(born) {
  const seconds = Math.max(0, Math.floor((Date.now() - born) / 1000));
  if (seconds < 60) return `${seconds}\u00a0s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}\u00a0min`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)}\u00a0h` : `${Math.floor(seconds / 86400)}\u00a0d`;
}

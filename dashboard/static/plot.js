// Lines over time, drawn in SVG. Whatever is drawn stands in a table beside it: the newest value of each line, and
// the most of it.
import { caption, element, scroller } from "./dom.js";
import { refresh } from "./refresh.js";
import { text } from "./text.js";
import { precise, timeOfDay } from "./times.js";

// The name of the namespace; nothing is loaded from there.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 120;
// A plot of less time is as wide as one of this.
const LEAST_SECONDS = 30;
// The newest value stands within the last few points: a measurement that is under way has none yet.
const NEWEST = 4;

export function shape(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const isNumber = (value) => typeof value === "number";

// A plot of `lines` [{key, kind, name}] over points with a `time`, in seconds; a value that is null is a gap.
//   id       of the table          label    says in words what is drawn
//   format   a value as text       least    what the scale reaches at least
export class Plot {
  constructor(lines, { id, label, format, least = 1 }) {
    Object.assign(this, { lines, label, format, least });
    this.numbers = scroller(label, { id });
    this.drawn = lines.map((line) => shape("path", { fill: "none", "data-kind": line.kind, "vector-effect": "non-scaling-stroke" }));
    this.top = element("span", { className: "plot-top" });
    this.from = element("span");
    this.until = element("span");
    this.root = element("div", { className: "figure" }, this.numbers,
      element("div", { className: "plot" },
        shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, preserveAspectRatio: "none" }, ...this.drawn), this.top),
      element("div", { className: "plot-times", "aria-hidden": "true" }, this.from, this.until));
  }

  show(points) {
    const last = points.at(-1)?.time ?? 0;
    const first = Math.min(points[0]?.time ?? 0, last - LEAST_SECONDS);
    const values = this.lines.map((line) => points.map((point) => point[line.key]));
    const most = values.map((all) => all.reduce((high, value) => (isNumber(value) && !(high > value) ? value : high), null));
    const top = Math.max(this.least, ...most.filter(isNumber));
    const places = points.map(({ time }) => (((time - first) / Math.max(last - first, 1)) * WIDTH).toFixed(1));
    values.forEach((all, at) => this.drawn[at].setAttribute("d", path(places, all, top)));
    this.top.textContent = most.some(isNumber) ? this.format(top) : "";
    this.from.textContent = last ? timeOfDay(first) : "";
    this.until.textContent = last ? timeOfDay(last) : "";
    const newest = values.map((all) => all.slice(-NEWEST).findLast(isNumber) ?? null);
    refresh(this.numbers, [newest, most], () => this.table(newest, most));
  }

  table(newest, most) {
    const cell = (value) => element("td", { className: "number" }, isNumber(value) ? this.format(value) : "–");
    const head = (line) => {
      const made = element("th", { scope: "col" }, line.name);
      made.dataset.kind = line.kind;
      return made;
    };
    const row = (key, values) => element("tr", {}, element("th", { scope: "row" }, text(key)), ...values.map(cell));
    return element("table", { className: "numbers" },
      caption(this.label),
      element("thead", {}, element("tr", {}, element("td"), ...this.lines.map(head))),
      element("tbody", {}, row("plot.now", newest), row("plot.most", most)));
  }
}

// A line through what there is; it ends where there is nothing, and a point by itself is a dot.
function path(places, values, top) {
  const parts = [];
  let isDown = false;
  values.forEach((value, at) => {
    if (!isNumber(value)) {
      isDown = false;
      return;
    }
    const y = (HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1);
    parts.push(isDown ? `L${places[at]},${y}` : `M${places[at]},${y}h0`);
    isDown = true;
  });
  return parts.join("");
}

// Lines of these kinds over seconds from 0 on, each with points [second, value] of its own; `label` says in words what
// they show. The tables beside it are its user's.
export class Curves {
  constructor(kinds, { label, format }) {
    this.format = format;
    this.drawn = kinds.map((kind) => shape("path", { fill: "none", "data-kind": kind, "vector-effect": "non-scaling-stroke" }));
    this.top = element("span", { className: "plot-top" });
    this.until = element("span");
    this.root = element("div", { className: "figure" },
      element("div", { className: "plot" },
        shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, preserveAspectRatio: "none" }, ...this.drawn), this.top),
      element("div", { className: "plot-times", "aria-hidden": "true" }, element("span", {}, precise(0)), this.until));
  }

  show(lines) {
    const last = lines.flat().reduce((high, [at]) => Math.max(high, at), 0);
    const top = lines.flat().reduce((high, [, value]) => Math.max(high, value), 1);
    lines.forEach((points, at) => {
      const places = points.map(([second]) => ((second / Math.max(last, 1e-3)) * WIDTH).toFixed(1));
      this.drawn[at].setAttribute("d", path(places, points.map(([, value]) => value), top));
    });
    this.top.textContent = this.format(top);
    this.until.textContent = precise(last);
  }
}

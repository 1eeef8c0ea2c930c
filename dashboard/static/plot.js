// Lines over time, drawn in SVG. Whatever is drawn stands in a table or in words beside it.
// The name of the namespace; nothing is loaded from there.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 120;

export function shape(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// A plot of `lines` [{name, key, kind}] over points with a `time`; `label` says in words what it shows.
export class Plot {
  constructor(lines, label) {
    this.lines = lines;
    this.svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "plot", preserveAspectRatio: "none" });
    this.drawn = lines.map((line) => shape("polyline", { fill: "none", "data-kind": line.kind, "vector-effect": "non-scaling-stroke" }));
    this.svg.append(...this.drawn);
  }

  show(points) {
    const last = points.at(-1)?.time ?? 0;
    const first = Math.min(points[0]?.time ?? 0, last - 60);
    const most = Math.max(1, ...points.flatMap((point) => this.lines.map((line) => point[line.key])));
    this.lines.forEach((line, at) => {
      const places = points.map((point) => {
        const x = ((point.time - first) / Math.max(last - first, 1)) * WIDTH;
        return `${x.toFixed(1)},${(HEIGHT - 2 - (point[line.key] / most) * (HEIGHT - 4)).toFixed(1)}`;
      });
      this.drawn[at].setAttribute("points", places.join(" "));
    });
    return most;
  }
}

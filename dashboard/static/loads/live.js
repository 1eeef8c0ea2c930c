// A load test as the page sees it: topic "load/RUN" (dashboard/scheduling/load_topics.py).
import { caption, element, fill, scroller, visible } from "../dom.js";
import { Curves } from "../plot.js";
import { refresh } from "../refresh.js";
import { text } from "../text.js";
import { duration, moment, precise } from "../times.js";
import { sampled } from "./compare.js";
import { rates } from "./report.js";
import { digits, figureValue } from "./words.js";

const LINES = ["asked", "bound", "running", "waiting"];
const LATENCIES = ["create_to_bound", "create_to_running"];
const QUANTILES = ["p50", "p90", "p99", "maximum"];
// Pods a second are those of so many of the last points.
const LATELY = 5;

export const stateWords = (run) =>
  element("span", { className: { ended: "good", running: "waiting" }[run.state] ?? "bad" }, text(`loads.state.${run.state}`));

export class LiveLoad {
  constructor() {
    this.said = element("p", { role: "status", id: "load-said" });
    this.numbers = scroller(text("loads.numbers"), { id: "load-numbers" });
    this.measured = scroller(text("loads.measured"), { id: "load-measured" });
    this.pods = new Curves(LINES, { label: text("loads.pods.plot"), format: digits });
    this.rate = new Curves(["rate"], { label: text("loads.rate.plot"), format: digits });
    this.table = scroller(text("loads.over.time"));
    this.parts = [
      this.said, this.numbers, this.pods.root, element("p", {}, text("loads.rate.beside")), this.rate.root, this.measured,
      element("details", {}, element("summary", {}, text("loads.over.time")), this.table),
    ];
  }

  // Show the value of the topic, of a run that was seen.
  show({ run, points, measurements }) {
    const lines = [1, 2, 3].map((place) => points.map((one) => [one[0], one[place]]));
    lines.push(points.map(([at, asked, bound]) => [at, Math.max(0, asked - bound)]));
    const [, bound, , waiting] = lines;
    const paces = rates(bound);
    this.pods.show(lines);
    this.rate.show([paces]);
    refresh(this.said, [run.state, run.step, run.workload], () => [
      element("strong", {}, visible(run.workload)), ": ", stateWords(run),
      run.state === "running" ? ` (${visible(run.step)}). ` : ". ", text("loads.began", { time: moment(run.started) }),
    ]);
    refresh(this.numbers, [run, waiting.at(-1), paces.at(-1)], () => numbersTable(run, waiting.at(-1)?.[1] ?? 0, lately(bound)));
    refresh(this.measured, measurements, measuredTable);
    refresh(this.table, points, () => timeTable([...lines, paces]));
  }
}

// Pods a second over the last points; nobody is told of a run that has ended.
function lately(bound) {
  const [first, last] = [bound.at(-LATELY) ?? bound[0], bound.at(-1)];
  return first && last[0] > first[0] ? (last[1] - first[1]) / (last[0] - first[0]) : 0;
}

function heads(names) {
  return element("thead", {}, element("tr", {}, ...names.map(([words, kind]) => {
    const made = element("th", { scope: "col" }, words);
    if (kind) made.dataset.kind = kind;
    return made;
  })));
}

function numbersTable(run, waiting, pace) {
  const now = run.state === "running" ? digits(pace) : "–";
  const values = [run.wanted, run.asked, run.bound, run.running, waiting].map(digits);
  return element("table", {},
    caption(text("loads.numbers")),
    heads([[text("loads.wanted")], ...LINES.map((kind) => [text(`loads.${kind}`), kind]), [text("loads.rate.now")], [text("loads.took")]]),
    element("tbody", {}, element("tr", {}, ...[...values, now, duration(run.seconds)].map((one) => element("td", {}, one)))));
}

function measuredTable(measurements) {
  if (!measurements.length) return element("p", { className: "quiet" }, text("loads.unmeasured"));
  const columns = LATENCIES.filter((name) => measurements.some((one) => `${name}_p50` in one.figures))
    .flatMap((name) => QUANTILES.map((quantile) => [name, quantile]));
  const words = ([name, quantile]) => `${text(`loads.latency.${name}`)}, ${quantile === "maximum" ? text("loads.maximum") : quantile}`;
  return element("table", {},
    element("caption", { className: "quiet" }, text("loads.measured")),
    heads([[text("loads.measurement")], [text("loads.bound")], [text("loads.figure.throughput")], ...columns.map((one) => [words(one)])]),
    element("tbody", {}, ...measurements.map((one) => element("tr", {},
      element("th", { scope: "row" }, visible(one.name)),
      element("td", {}, text("loads.of", { n: one.bound, all: one.pods })),
      element("td", {}, figureValue("throughput", one.figures.throughput)),
      ...columns.map(([name, quantile]) => element("td", { className: "short" }, figureValue(name, one.figures[`${name}_${quantile}`])))))));
}

function timeTable(lines) {
  return element("table", {},
    caption(text("loads.over.time")),
    heads([[text("loads.after")], ...LINES.map((kind) => [text(`loads.${kind}`), kind]), [text("loads.figure.throughput")]]),
    element("tbody", {}, ...sampled(lines).map(([at, ...values]) => element("tr", {},
      element("th", { scope: "row" }, precise(at)), ...values.map((one) => element("td", {}, one === null ? "–" : digits(one)))))));
}

// Show one run within `root` as it goes on; returns what ends that.
export function followLoad(root, name, page) {
  const shown = new LiveLoad();
  const nothing = element("p", { className: "quiet" }, text("loads.loading"));
  fill(root, nothing);
  return page.live.subscribe(`load/${name}`, {
    snapshot: (value) => {
      if (!value.run) {
        nothing.textContent = value.refusal ? visible(value.refusal) : text("loads.unseen", { name: visible(name) });
        fill(root, nothing);
        return;
      }
      if (nothing.parentElement || !root.contains(shown.said)) fill(root, ...shown.parts);
      shown.show(value);
    },
    error: (error) => {
      nothing.textContent = visible(error.message);
      fill(root, nothing);
    },
  });
}

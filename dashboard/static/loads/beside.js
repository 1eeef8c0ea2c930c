// Two entries (report.js) side by side: how they were run, their figures, their plots over the same axis.
import { caption as unseen, element, scroller, visible } from "../dom.js";
import { Curves } from "../plot.js";
import { text } from "../text.js";
import { precise } from "../times.js";
import { configRows, figureRows, sampled } from "./compare.js";
import { digits, figureName, figureValue, share } from "./words.js";

// Elements that show both.
export function besideParts(before, after) {
  const parts = [legend(before, after)];
  if (before.workload !== after.workload) parts.push(element("p", { className: "bad" }, text("loads.other.workload")));
  parts.push(...configParts(before, after));
  const count = Math.max(before.measurements.length, after.measurements.length);
  for (let at = 0; at < count; at += 1) {
    const both = [before.measurements[at], after.measurements[at]];
    parts.push(element("h3", {}, visible(both.find(Boolean).name)));
    parts.push(figureTable(before, after, ...both));
    parts.push(...plotParts("bound", both), ...plotParts("rate", both));
  }
  parts.push(element("p", { className: "quiet" }, text("loads.chance")));
  return parts;
}

// Which is which: beside each other in a table, so that names of any length fit a phone.
function legend(before, after) {
  const row = (kind, entry) => {
    const head = element("th", { scope: "row" }, text(`loads.${kind}`));
    head.dataset.kind = kind;
    return element("tr", {}, head, element("td", {}, visible(entry.name)), element("td", {}, visible(entry.workload)),
      element("td", {}, text("loads.runs", { n: entry.runs })));
  };
  return scroller(text("loads.beside"), {}, element("table", { id: "loads-legend" }, unseen(text("loads.beside")), element("tbody", {}, row("a", before), row("b", after))));
}

function table(id, caption, names, rows) {
  return scroller(caption, {}, element("table", { className: id },
    element("caption", { className: "quiet" }, caption),
    element("thead", {}, element("tr", {}, ...names.map(([words, kind]) => {
      const head = element("th", { scope: "col" }, words);
      if (kind) head.dataset.kind = kind;
      return head;
    }))),
    element("tbody", {}, ...rows)));
}

const SIDES = () => [[text("loads.a"), "a"], [text("loads.b"), "b"]];

function configParts(before, after) {
  const rows = configRows(before.config, after.config);
  const shown = (some) => some.map((one) => element("tr", {},
    element("th", { scope: "row" }, visible(one.name)),
    ...[one.before, one.after].map((value) => element("td", { className: "long" }, value === null ? "–" : visible(value)))));
  const make = (caption, some) => table("loads-config", caption, [[text("loads.line")], ...SIDES()], shown(some));
  const differing = rows.filter((one) => one.differs);
  const rest = rows.filter((one) => !one.differs);
  const parts = [differing.length ? make(text("loads.differs"), differing) : element("p", {}, text("loads.same"))];
  if (rest.length) parts.push(element("details", {}, element("summary", {}, text("loads.rest")), make(text("loads.rest"), rest)));
  return parts;
}

function figureTable(before, after, one, other) {
  const rows = figureRows(one?.figures ?? new Map(), other?.figures ?? new Map()).map((row) => {
    const tone = { better: "good", worse: "bad" }[row.verdict] ?? "";
    // Of single runs it is not known how far they are apart by themselves.
    const unsure = Math.min(before.runs, after.runs) > 1 ? "" : "?";
    const words = row.verdict ? `${text(`loads.${row.verdict}`)}${unsure}` : "";
    return element("tr", {},
      element("th", { scope: "row" }, visible(figureName(row.name))),
      ...[row.before, row.after].map((value) => element("td", { className: "short" }, figureValue(row.name, value))),
      element("td", { className: tone }, [row.share === null ? "" : share(row.share), words].filter(Boolean).join(" ")));
  });
  if (before.wrong !== null || after.wrong !== null) {
    const wrong = [before.wrong, after.wrong];
    rows.unshift(element("tr", {}, element("th", { scope: "row" }, text("loads.wrong")),
      ...wrong.map((value) => element("td", { className: value ? "bad" : "" }, value === null ? "–" : digits(value))), element("td")));
  }
  return table("loads-figures", text("loads.figures"), [[text("loads.figure")], ...SIDES(), [text("loads.difference")]], rows);
}

function plotParts(what, both) {
  const lines = both.map((one) => one?.[what] ?? []);
  if (!lines.flat().some(([at]) => at > 0)) return [element("p", { className: "quiet" }, text(`loads.${what}.short`))];
  const curves = new Curves(["a", "b"], { label: text(`loads.${what}.beside`), format: digits });
  curves.show(lines);
  const rows = sampled(lines).map(([at, ...values]) => element("tr", {},
    element("th", { scope: "row" }, precise(at)), ...values.map((value) => element("td", {}, value === null ? "–" : digits(value)))));
  return [
    element("p", {}, text(`loads.${what}.beside`)), curves.root,
    element("details", {}, element("summary", {}, text("loads.over.time")),
      table("loads-time", text(`loads.${what}.beside`), [[text("loads.after")], ...SIDES()], rows)),
  ];
}

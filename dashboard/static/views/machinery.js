// The machine: topic "machinery" (dashboard/machinery).
import { element, fill, visible } from "../dom.js";
import { shape } from "../plot.js";
import { refresh } from "../refresh.js";
import { text } from "../text.js";
import { duration, moment, precise, timeOfDay } from "../times.js";

// Users that have a box of their own in the drawing; the table has all.
const MAX_BOXES = 14;
const BOX = { width: 230, height: 32, gap: 8 };

export const title = () => text("machinery.title");

export function mount(root, _params, page) {
  const said = element("p", { role: "status" }, text("machinery.loading"));
  const names = ["components", "leaders", "streams", "queues", "etcd"];
  const parts = Object.fromEntries(names.map((name) => [name, element("section", { id: `machinery-${name}`, hidden: true })]));
  fill(root, element("h1", {}, text("machinery.title")), said, ...names.map((name) => parts[name]));
  return page.live.subscribe("machinery", {
    snapshot: (found) => {
      said.textContent = "";
      for (const name of names) parts[name].hidden = false;
      refresh(parts.components, [found.components, found.kubelets], () => components(found));
      refresh(parts.leaders, found.leaders, () => leaders(found));
      refresh(parts.streams, [found.streams, found.open, found.storage?.revision], () => streams(found));
      refresh(parts.queues, found.controllers, () => queues(found));
      refresh(parts.etcd, found.storage, () => etcd(found.storage));
    },
    error: (error) => {
      said.textContent = visible(error.message);
    },
  });
}

// Columns of what others wrote.
const LONG = new Set(["selection", "reason", "last", "error"]);

const number = (n) => text("machinery.number", { n });

function table(heads, rows) {
  return element("div", { className: "scroll" }, element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((one) => element("th", { scope: "col" }, text(`machinery.${one}`))))),
    element("tbody", {}, ...rows.map(([first, ...rest]) =>
      element("tr", {}, element("th", { scope: "row" }, first),
        ...rest.map((cell, at) => element("td", LONG.has(heads[at + 1]) && cell ? { className: "long" } : {}, cell)))))));
}

const good = (words) => element("span", { className: "good" }, words);
const bad = (words) => element("span", { className: "bad" }, words);

function components(found) {
  const { all, ready, unready, more } = found.kubelets;
  return [
    element("h2", {}, text("machinery.components")),
    table(["component", "identity", "health", "leader"], found.components.map((one) => [
      one.component, visible(one.identity), one.error ? bad(visible(one.error)) : good(text("machinery.answers")),
      one.elects ? visible(one.leader) || bad(text("machinery.none")) : text("machinery.alone"),
    ])),
    element("p", { className: ready === all ? "good" : "bad" }, text(more ? "machinery.kubelets.more" : "machinery.kubelets", { n: all, ready })),
    unready.length ? table(["node", "reason", "since"], unready.map((one) => [visible(one.name), visible(one.reason), moment(one.since)])) : null,
  ];
}

function leaders(found) {
  return [
    element("h2", {}, text("machinery.leaders")),
    table(["lease", "holder", "renewed", "seconds", "transitions"], found.leaders.map((one) => [
      visible(one.name), one.expired ? bad(text("machinery.expired")) : visible(one.holder), timeOfDay(one.renewed),
      duration(one.seconds), number(one.transitions),
    ])),
  ];
}

function queues(found) {
  const busiest = [...found.controllers].sort((one, other) => other.depth - one.depth || one.name.localeCompare(other.name));
  return [
    element("h2", {}, text("machinery.queues")),
    table(["controller", "depth", "flight", "syncs", "errors", "last", "error"], busiest.map((one) => [
      visible(one.name), number(one.depth), number(one.inFlight), number(one.syncs),
      one.errors ? bad(number(one.errors)) : number(0),
      one.synced ? [timeOfDay(one.lastAt), visible(one.lastKey), one.lastAt ? precise(one.lastSeconds) : ""].filter(Boolean).join(" ") : text("machinery.unsynced"),
      one.lastError ? `${timeOfDay(one.lastErrorAt)} ${visible(one.lastError)}` : "",
    ])),
  ];
}

function etcd(storage) {
  if (!storage) return [];
  return [
    element("h2", {}, text("machinery.etcd")),
    element("p", { id: "etcd-revision" }, text("machinery.revision", { n: storage.revision })),
    table(["member", "health", "version", "size", "use", "leader"], storage.members.map((one) => [
      visible(one.endpoint), one.error ? bad(visible(one.error)) : good(text("machinery.answers")), visible(one.version),
      bytes(one.size), bytes(one.inUse), one.leader ? text("machinery.leads") : "",
    ])),
  ];
}

function bytes(size) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let at = 0;
  let rest = size;
  for (; rest >= 1024 && at < units.length - 1; at += 1) rest /= 1024;
  return `${number(Math.round(rest * 10) / 10)} ${units[at]}`;
}

function streams(found) {
  const selection = (one) => [one.namespace && `-n ${one.namespace}`, one.labels && `-l ${one.labels}`, one.fields].filter(Boolean).join(" ");
  return [
    element("h2", {}, text("machinery.streams")),
    element("p", {}, text("machinery.open", { n: found.open })),
    drawing(found),
    table(["user", "agent", "verb", "resource", "selection", "way", "streams.count", "since"], found.streams.map((one) => [
      one.clients > 1 ? `${visible(one.user)} (${text("machinery.clients", { n: one.clients })})` : visible(one.user),
      element("span", { title: visible(one.agent) }, visible(one.agent.split(" ")[0], 80)), one.verb, visible(one.resource), visible(selection(one)), one.rest ? "REST" : "gRPC",
      number(one.count), element("span", { title: moment(one.since) }, timeOfDay(one.since)),
    ])),
  ];
}

// By user: how many streams, and of what. The busiest first.
function byUser(found) {
  const users = new Map();
  for (const one of found.streams) {
    const known = users.get(one.user) ?? { user: one.user, count: 0, resources: new Set() };
    known.count += one.count;
    known.resources.add(one.resource.split(".")[0]);
    users.set(one.user, known);
  }
  const sorted = [...users.values()].sort((one, other) => other.count - one.count);
  const rest = sorted.slice(MAX_BOXES);
  if (!rest.length) return sorted;
  const count = rest.reduce((sum, one) => sum + one.count, 0);
  return [...sorted.slice(0, MAX_BOXES), { user: text("machinery.others", { n: rest.length }), count, resources: new Set() }];
}

function drawing(found) {
  const users = byUser(found);
  const height = Math.max(1, users.length) * (BOX.height + BOX.gap) + BOX.gap;
  const middle = height / 2;
  const children = [];
  users.forEach((one, at) => {
    const y = BOX.gap + at * (BOX.height + BOX.gap);
    const width = Math.min(8, 1 + Math.log2(one.count + 1));
    children.push(shape("line", { x1: BOX.gap + BOX.width, y1: y + BOX.height / 2, x2: 430, y2: middle, "stroke-width": width.toFixed(1) }));
    const words = [...one.resources].slice(0, 3).join(", ");
    children.push(...box(BOX.gap, y, `${visible(one.user, 28)} · ${one.count}`, visible(words + (one.resources.size > 3 ? ", …" : ""), 36)));
  });
  children.push(shape("line", { x1: 430, y1: middle, x2: 680, y2: middle, "stroke-width": 3 }));
  const instance = found.components.find((one) => one.component === "apiserver")?.identity ?? "";
  children.push(...box(400, middle - BOX.height / 2, "apiserver", visible(instance, 30)));
  const revision = found.storage ? text("machinery.revision", { n: found.storage.revision }) : "";
  children.push(...box(670, middle - BOX.height / 2, "etcd", revision));
  return shape("svg", { viewBox: `0 0 910 ${height}`, role: "img", "aria-label": text("machinery.drawing"), class: "drawing" }, ...children);
}

function box(x, y, first, second) {
  const line = (words, dy, name) => {
    const made = shape("text", { x: x + 6, y: y + dy, class: name });
    made.textContent = words;
    return made;
  };
  return [shape("rect", { x, y, width: BOX.width, height: BOX.height, rx: 4 }), line(first, 13, ""), line(second, 25, "small")];
}

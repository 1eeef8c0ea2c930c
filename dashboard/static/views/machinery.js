// The machine: topic "machinery" (dashboard/machinery).
import { caption, element, fill, scroller, visible } from "../dom.js";
import { History } from "../history.js";
import { Plot, shape } from "../plot.js";
import { refresh } from "../refresh.js";
import { text } from "../text.js";
import { duration, moment, now, precise, timeOfDay } from "../times.js";

// Users that have a box of their own in the drawing; the table has all. Of more, nodes share a box.
const MAX_BOXES = 10;
const NODE = "system:node:";
// Points of etcd's size that the page has seen: twenty minutes.
const MAX_POINTS = 600;
const BOX = { width: 230, height: 32, gap: 8 };
// Between the ends of two lines.
const LINE = 10;

export const title = () => text("machinery.title");

export function mount(root, params, page) {
  const said = element("p", { role: "status" }, text("machinery.loading"));
  const names = ["components", "leaders", "streams", "queues", "etcd"];
  const parts = Object.fromEntries(names.map((name) => [name, element("section", { id: `machinery-${name}`, hidden: true })]));
  const over = plots(params, page);
  fill(root, element("h1", {}, text("machinery.title")), said, ...names.map((name) => parts[name]), over.section);
  const stop = page.live.subscribe("machinery", {
    snapshot: (found) => {
      said.textContent = "";
      over.take(found.storage);
      // Nothing is said of what nobody tells.
      const known = { components: true, leaders: found.leaders, streams: found.streams, queues: found.controllers, etcd: found.storage };
      for (const name of names) parts[name].hidden = !known[name];
      refresh(parts.components, [found.components, found.kubelets], () => components(found));
      if (known.leaders) refresh(parts.leaders, found.leaders, () => leaders(found));
      if (known.streams) refresh(parts.streams, [found.streams, found.open, found.storage?.revision], () => streams(found));
      if (known.queues) refresh(parts.queues, found.controllers, () => queues(found));
      if (known.etcd) refresh(parts.etcd, found.storage, () => etcd(found.storage));
    },
    error: (error) => {
      said.textContent = visible(error.message);
    },
  });
  return () => {
    stop();
    over.stop();
  };
}

// What changes slowly. Requests are known to Prometheus alone.
function plots(params, page) {
  const line = (key) => ({ key, kind: key, name: text(`machinery.requests.${key}`) });
  const requests = new Plot(["reads", "writes", "failed"].map(line), { id: "machinery-requests", label: text("machinery.requests.plot"), format: rate });
  const size = new Plot([{ key: "size", kind: "size", name: text("machinery.size.line") }], { id: "machinery-size", label: text("machinery.size.plot"), format: bytes });
  const asked = element("section", { hidden: true }, element("h3", {}, text("machinery.requests")), requests.root);
  let points = [];
  const show = () => {
    asked.hidden = !history.isThere;
    if (history.isThere) requests.show(history.points("requests", []));
    size.show(history.points("etcd", points));
    history.say(points);
  };
  const history = new History("machinery", params, page, show);
  const section = element("section", { id: "machinery-plots" }, element("h2", {}, text("machinery.plots")), history.root, asked, size.root);
  return {
    section,
    stop: () => history.stop(),
    take: (storage) => {
      const sizes = (storage?.members ?? []).filter((one) => !one.error).map((one) => one.size);
      if (sizes.length) points = [...points, { time: now(), size: Math.max(...sizes) }].slice(-MAX_POINTS);
      show();
    },
  };
}

// Columns of what others wrote.
const LONG = new Set(["selection", "reason", "last", "error"]);
// Columns that are not broken.
const SHORT = new Set(["agent", "renewed", "since"]);

const number = (n) => text("machinery.number", { n });
const rate = (n) => number(n < 10 ? Math.round(n * 10) / 10 : Math.round(n));

function table(name, heads, rows) {
  return scroller(name, {}, element("table", {},
    caption(name),
    element("thead", {}, element("tr", {}, ...heads.map((one) => element("th", { scope: "col" }, text(`machinery.${one}`))))),
    element("tbody", {}, ...rows.map(([first, ...rest]) =>
      element("tr", {}, element("th", { scope: "row", className: "short" }, first),
        ...rest.map((cell, at) => element("td", { className: LONG.has(heads[at + 1]) && cell ? "long" : SHORT.has(heads[at + 1]) ? "short" : "" }, cell)))))));
}

const good = (words) => element("span", { className: "good" }, words);
const bad = (words) => element("span", { className: "bad" }, words);

function components(found) {
  // Nothing is known of nodes while the apiserver is away.
  const { all, ready, unready, more } = found.kubelets ?? { unready: [] };
  return [
    element("h2", {}, text("machinery.components")),
    table(text("machinery.components"), ["component", "identity", "health", "leader"], found.components.map((one) => [
      one.component, visible(one.identity) || "–", one.error ? bad(visible(one.error)) : good(text("machinery.answers")),
      leaderOf(one),
    ])),
    all === 0 && element("p", { className: "bad" }, text("machinery.nodeless")),
    all > 0 && element("p", { className: ready === all ? "good" : "bad" }, text(more ? "machinery.kubelets.more" : "machinery.kubelets", { n: all, ready })),
    unready.length ? table(text("machinery.unready"), ["node", "reason", "since"], unready.map((one) => [visible(one.name), visible(one.reason), moment(one.since)])) : null,
    all - ready > unready.length && element("p", { className: "quiet" }, text("machinery.more", { n: all - ready - unready.length })),
  ];
}

function leaderOf(one) {
  if (!one.elects) return text("machinery.alone");
  if (one.leader === null) return "–";
  return visible(one.leader) || bad(text("machinery.none"));
}

function leaders(found) {
  return [
    element("h2", {}, text("machinery.leaders")),
    table(text("machinery.leaders"), ["lease", "holder", "renewed", "seconds", "transitions"], found.leaders.map((one) => [
      visible(one.name), one.expired ? bad(text("machinery.expired")) : visible(one.holder), timeOfDay(one.renewed),
      duration(one.seconds), number(one.transitions),
    ])),
  ];
}

function queues(found) {
  const busiest = [...found.controllers].sort((one, other) => other.depth - one.depth || one.name.localeCompare(other.name));
  return [
    element("h2", {}, text("machinery.queues")),
    table(text("machinery.queues"), ["controller", "depth", "flight", "syncs", "errors", "last", "error"], busiest.map((one) => [
      visible(one.name), number(one.depth), number(one.inFlight), number(one.syncs),
      one.errors ? bad(number(one.errors)) : number(0),
      one.synced ? [timeOfDay(one.lastAt), visible(one.lastKey), one.lastAt ? precise(one.lastSeconds) : ""].filter(Boolean).join(" ") : text("machinery.unsynced"),
      one.lastError ? `${timeOfDay(one.lastErrorAt)} ${visible(one.lastError)}` : "",
    ])),
  ];
}

function etcd(storage) {
  return [
    element("h2", {}, text("machinery.etcd")),
    element("p", { id: "etcd-revision" }, text("machinery.revision", { n: storage.revision })),
    table(text("machinery.members"), ["member", "health", "version", "size", "use", "leader"], storage.members.map((one) => [
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

// Both names where one asks in the name of another, as in the audit log.
function who(one) {
  if (one.as) return text("machinery.impersonated", { user: visible(one.user), as: visible(one.as) });
  return one.clients > 1 ? `${visible(one.user)} (${text("machinery.clients", { n: one.clients })})` : visible(one.user);
}

function streams(found) {
  const selection = (one) => [one.namespace && `-n ${one.namespace}`, one.labels && `-l ${one.labels}`, one.fields].filter(Boolean).join(" ");
  return [
    element("h2", {}, text("machinery.streams")),
    element("p", {}, text("machinery.open", { n: found.open })),
    drawing(found),
    element("details", {}, element("summary", {}, text("machinery.streams.table")), table(text("machinery.streams"), ["user", "agent", "verb", "resource", "selection", "way", "streams.count", "since"], found.streams.map((one) => [
      who(one),
      element("span", { title: visible(one.agent) }, visible(one.agent.split(" ")[0], 80)), one.verb, visible(one.resource), visible(selection(one)), one.rest ? "REST" : "gRPC",
      number(one.count), element("span", { title: moment(one.since) }, timeOfDay(one.since)),
    ]))),
  ];
}

// By user: how many streams, and of what. The busiest first.
function byUser(found) {
  const nodes = new Set(found.streams.map((one) => one.user).filter((user) => user.startsWith(NODE)));
  const areMany = new Set(found.streams.map((one) => one.user)).size > MAX_BOXES;
  const users = new Map();
  for (const one of found.streams) {
    const user = areMany && nodes.has(one.user) ? text("machinery.nodes", { n: nodes.size }) : one.user;
    const known = users.get(user) ?? { user, count: 0, resources: new Set() };
    known.count += one.count;
    known.resources.add(one.resource.split(".")[0]);
    users.set(user, known);
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
  // So high that each line has a place of its own to end at.
  const tall = Math.max(BOX.height, users.length * LINE);
  const children = [];
  users.forEach((one, at) => {
    const y = BOX.gap + at * (BOX.height + BOX.gap);
    const width = Math.min(8, 1 + Math.log2(one.count + 1));
    const end = middle + (at + 0.5 - users.length / 2) * LINE;
    children.push(shape("line", { x1: BOX.gap + BOX.width, y1: y + BOX.height / 2, x2: 400, y2: end, "stroke-width": width.toFixed(1) }));
    const words = [...one.resources].slice(0, 3).join(", ");
    children.push(...box(BOX.gap, y, `${visible(one.user, 26)} · ${one.count}`, visible(words + (one.resources.size > 3 ? ", …" : ""), 36)));
  });
  children.push(shape("line", { x1: 400 + BOX.width, y1: middle, x2: 680, y2: middle, "stroke-width": 3 }));
  const instance = found.components.find((one) => one.component === "apiserver")?.identity ?? "";
  children.push(...box(400, middle - tall / 2, "apiserver", visible(instance, 30), tall));
  const revision = found.storage ? text("machinery.revision", { n: found.storage.revision }) : "";
  children.push(...box(670, middle - BOX.height / 2, "etcd", revision));
  const drawn = shape("svg", { viewBox: `0 0 910 ${height}`, role: "img", "aria-label": text("machinery.drawing"), class: "drawing" }, ...children);
  return scroller(text("machinery.streams"), {}, drawn);
}

function box(x, y, first, second, height = BOX.height) {
  const head = y + (height - BOX.height) / 2;
  const line = (words, dy, name) => {
    const made = shape("text", { x: x + 6, y: head + dy, class: name });
    made.textContent = words;
    return made;
  };
  return [shape("rect", { x, y, width: BOX.width, height, rx: 4 }), line(first, 13, ""), line(second, 25, "small")];
}

// Beside the picture: what is unhealthy, and everything as tables, a page at a time.

import { caption, element, link, scroller, visible } from "../dom.js";
import { refill } from "../refresh.js";
import { text } from "../text.js";
import { ENDED, TROUBLE, WAITING, WELL, age, byName, cores, mebibytes } from "./model.js";

const LISTED = 100;
const PAGE = 50;
const CLASSES = { [WELL]: "good", [WAITING]: "waiting", [TROUBLE]: "bad", [ENDED]: "quiet" };

export const podPath = (pod) => `/pod/${encodeURIComponent(pod.namespace)}/${encodeURIComponent(pod.name)}`;
const podLink = (pod) => link(podPath(pod), visible(`${pod.namespace}/${pod.name}`));
const word = (one) => element("span", { className: CLASSES[one.health] }, `${text(`cluster.sign.${one.health}`)} ${visible(one.word, 64)}`);

// What somebody should look at. `open` shows a room in the picture.
export function showUnhealthy(target, model, now, open) {
  const { total, rows } = model.unhealthy(LISTED, now);
  // The first room is that of Pods without a node.
  const nodeless = model.rooms.size === 1 ? element("p", { className: "bad" }, text("cluster.nodeless")) : null;
  if (!total) return refill(target, [nodeless ?? element("p", { className: "quiet" }, text("cluster.healthy"))]);
  const items = rows.map((one) => {
    if (one.room) {
      const where = one.room.id ? visible(one.room.name) : text("cluster.roomless");
      return element("li", {}, podLink(one), element("br"), word(one), ` · ${where} · ${age(now - one.since)}`);
    }
    const button = element("button", { type: "button", className: "plain" }, visible(one.name));
    button.addEventListener("click", () => open(one));
    return element("li", {}, button, element("br"), word(one));
  });
  const rest = total > rows.length ? element("p", { className: "quiet" }, text("cluster.more", { n: total - rows.length })) : null;
  return refill(target, [nodeless, element("ul", { className: "unhealthy" }, ...items), rest]);
}

// Tables of Pods and nodes for who does not see the picture; filled while they are open.
export class Tables {
  constructor(model) {
    this.model = model;
    this.parts = [
      this.part("pods", ["namespace", "name", "node", "status", "requests", "owner", "age"]),
      this.part("nodes", ["name", "status", "pods", "trouble", "capacity"]),
    ];
    this.root = element("section", { className: "tables", "aria-label": text("cluster.tables") }, ...this.parts.map((part) => part.root));
  }

  part(name, columns) {
    const body = element("tbody");
    const where = element("span", { role: "status" });
    const part = { name, body, where, page: 0 };
    const button = (key, by) => {
      const made = element("button", { type: "button" }, text(`cluster.${key}`));
      made.addEventListener("click", () => {
        part.page += by;
        this.fillPart(part);
      });
      return made;
    };
    part.back = button("previous", -1);
    part.on = button("next", 1);
    const head = element("tr", {}, ...columns.map((key) => element("th", { scope: "col" }, text(`cluster.column.${key}`))));
    const table = element("table", {}, caption(text(`cluster.table.${name}`)), element("thead", {}, head), body);
    part.root = element("details", {},
      element("summary", {}, text(`cluster.table.${name}`)),
      scroller(text(`cluster.table.${name}`), {}, table),
      element("p", { className: "pager" }, part.back, part.on, where));
    part.root.dataset.table = name;
    part.root.addEventListener("toggle", () => this.fillPart(part));
    return part;
  }

  update() {
    for (const part of this.parts) this.fillPart(part);
  }

  fillPart(part) {
    if (!part.root.open) return;
    const all = part.name === "pods" ? this.pods() : this.nodes();
    const pages = Math.max(1, Math.ceil(all.length / PAGE));
    part.page = Math.min(Math.max(part.page, 0), pages - 1);
    part.back.disabled = part.page === 0;
    part.on.disabled = part.page === pages - 1;
    const rows = all.slice(part.page * PAGE, (part.page + 1) * PAGE);
    const where = text("cluster.page", { page: part.page + 1, pages, n: all.length });
    // Said again only when it is something else.
    if (part.where.textContent !== where) part.where.textContent = where;
    refill(part.body, rows.map((row) => (part.name === "pods" ? this.podRow(row) : this.nodeRow(row))));
  }

  pods() {
    // By name, as `get pods` has them; only the page that is shown needs the order, and sorting 50,000 takes a moment.
    return [...this.model.pods.values()].sort((a, b) => (a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : a.name < b.name ? -1 : 1));
  }

  nodes() {
    return [...this.model.rooms.values()].filter((room) => room.id).sort((a, b) => byName(a.name, b.name));
  }

  podRow(pod) {
    const cells = [visible(pod.namespace), link(podPath(pod), visible(pod.name)), visible(pod.room.name) || "–", word(pod),
      `${cores(pod.cpu)}, ${mebibytes(pod.memory)}`, visible(pod.owner) || "–", age(Date.now() / 1000 - pod.since)];
    // Its name names a Pod's row.
    return element("tr", {}, ...cells.map((cell, at) => element(at === 1 ? "th" : "td", at === 1 ? { scope: "row" } : {}, cell)));
  }

  nodeRow(room) {
    let bad = 0;
    for (const pod of room.cells) bad += pod.health === TROUBLE;
    const cells = [visible(room.name), word(room), String(room.cells.size), String(bad), `${cores(room.cpu)}, ${mebibytes(room.memory)}`];
    return element("tr", {}, ...cells.map((cell, at) => element(at ? "td" : "th", at ? {} : { scope: "row" }, cell)));
  }
}

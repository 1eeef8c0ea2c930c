// The cluster: nodes as rooms, Pods as cells, live; filters in the query string; what is unhealthy beside it.

import { Picture } from "../cluster/canvas.js";
import { listen } from "../cluster/input.js";
import { ENDED, Model, TROUBLE, WAITING, WELL, age, cores, mebibytes } from "../cluster/model.js";
import { Tables, podPath, showUnhealthy } from "../cluster/side.js";
import { element, fill, visible } from "../dom.js";
import { text } from "../text.js";

const FILTERS = ["namespace", "selector", "owner"];
const SIDE_MS = 1000;

export function title() {
  return text("cluster.title");
}

export function mount(root, params, page) {
  const model = new Model();
  const canvas = element("canvas", { tabIndex: 0, role: "application", "aria-describedby": "cluster-keys" });
  canvas.setAttribute("aria-label", text("cluster.picture"));
  const tip = element("div", { className: "tip", hidden: true });
  const selected = element("p", { className: "selected", role: "status" });
  const counts = element("p", { className: "counts" });
  const problem = element("p", { className: "bad", role: "alert", hidden: true });
  const list = element("div", { id: "unhealthy" });
  const loading = element("p", { className: "quiet", role: "status" }, text("cluster.loading"));
  const form = makeFilters(params.query, (values) => {
    page.setQuery(values);
    subscribe(values);
  });
  const frame = element("div", { className: "picture" }, canvas, tip, loading);
  const tables = new Tables(model);
  root.append(
    element("div", { className: "cluster-head" }, element("h1", {}, text("cluster.title")), counts),
    form, problem,
    element("div", { className: "cluster" }, frame,
      element("aside", { "aria-labelledby": "unhealthy-title" }, element("h2", { id: "unhealthy-title" }, text("cluster.unhealthy")), list)),
    element("p", { id: "cluster-keys", className: "quiet" }, text("cluster.keys")), selected, tables.root,
  );

  const picture = new Picture(canvas, model, text("cluster.roomless"));
  const forget = listen(picture, {
    point: (target, x, y) => showTip(tip, frame, target, x, y),
    select: (target) => {
      selected.textContent = target ? describe(target).join(" · ") : "";
    },
    choose: (pod) => page.go(podPath(pod)),
  });
  const resized = new ResizeObserver(() => picture.resize());
  resized.observe(canvas);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const recolour = () => picture.readColours();
  dark.addEventListener("change", recolour);

  let isSideDue = true;
  let sideTimer = 0;
  function showSide() {
    sideTimer = 0;
    isSideDue = false;
    showCounts(counts, model);
    showUnhealthy(list, model, Date.now() / 1000, (room) => {
      picture.select(room);
      picture.show(room);
      canvas.focus();
    });
    tables.update();
  }
  // The list and the tables at most once a second, the picture as frames come.
  function changed() {
    loading.hidden = true;
    problem.hidden = true;
    if (picture.selected && !isThere(model, picture.selected)) picture.select(null);
    picture.update();
    if (isSideDue) showSide();
    sideTimer ||= setTimeout(showSide, SIDE_MS);
  }
  // Ages grow without any change.
  const minute = setInterval(showSide, 10_000);

  let unsubscribe = () => {};
  function subscribe(values) {
    unsubscribe();
    loading.hidden = false;
    isSideDue = true;
    const query = new URLSearchParams(FILTERS.filter((key) => values[key]).map((key) => [key, values[key]])).toString();
    unsubscribe = page.live.subscribe(query ? `cluster?${query}` : "cluster", {
      snapshot(value) {
        model.snapshot(value);
        picture.selected = null;
        changed();
      },
      changes(value) {
        model.changes(value);
        changed();
      },
      error(status) {
        model.clear();
        changed();
        problem.textContent = visible(status.message);
        problem.hidden = false;
      },
    });
  }
  subscribe(Object.fromEntries(FILTERS.map((key) => [key, params.query.get(key) ?? ""])));
  // For who measures (bench/page.py).
  canvas.picture = picture;

  return () => {
    unsubscribe();
    forget();
    resized.disconnect();
    dark.removeEventListener("change", recolour);
    clearInterval(minute);
    clearTimeout(sideTimer);
    picture.end();
  };
}

const isThere = (model, target) =>
  target.room ? model.pods.get(target.id) === target : model.rooms.get(target.id) === target;

function makeFilters(query, apply) {
  const form = element("form", { className: "filters", role: "search" });
  const inputs = FILTERS.map((key) => {
    const input = element("input", { id: `filter-${key}`, name: key, value: query.get(key) ?? "", autocomplete: "off", spellcheck: false, placeholder: text(`cluster.example.${key}`) });
    form.append(element("label", { for: input.id }, text(`cluster.filter.${key}`)), input);
    return input;
  });
  const values = () => Object.fromEntries(inputs.map((input) => [input.name, input.value.trim()]));
  const reset = element("button", { type: "reset" }, text("cluster.filter.none"));
  form.append(element("button", { type: "submit" }, text("cluster.filter.apply")), reset);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply(values());
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const input of inputs) input.value = "";
    apply(values());
  });
  for (const input of inputs) input.addEventListener("change", () => apply(values()));
  return form;
}

function showCounts(target, model) {
  const parts = [WELL, WAITING, TROUBLE, ENDED].map((health) =>
    element("span", { className: model.counts[health] ? `count-${health}` : "quiet" }, `${text(`cluster.sign.${health}`)} ${text(`cluster.count.${health}`, { n: model.counts[health] })}`));
  parts.unshift(element("span", {}, text("cluster.nodes", { n: model.rooms.size - 1 })), element("span", {}, text("cluster.pods", { n: model.pods.size })));
  if (model.leftOut) parts.push(element("span", { className: "bad" }, text("cluster.left_out", { n: model.leftOut })));
  fill(target, ...parts);
}

// Lines about a Pod or a room.
function describe(target) {
  if (!target.room) {
    if (!target.id) return [text("cluster.roomless"), text("cluster.pods", { n: target.cells.size })];
    return [visible(target.name), visible(target.word), text("cluster.pods", { n: target.cells.size }),
      text("cluster.has", { cpu: cores(target.cpu), memory: mebibytes(target.memory) })];
  }
  const lines = [visible(`${target.namespace}/${target.name}`),
    `${visible(target.word)} · ${age(Date.now() / 1000 - target.since)}`,
    text("cluster.asks", { cpu: cores(target.cpu), memory: mebibytes(target.memory) }),
    target.room.id ? visible(target.room.name) : text("cluster.roomless")];
  if (target.owner) lines.push(visible(target.owner));
  if (target.restarts) lines.push(text("cluster.restarts", { n: target.restarts }));
  return lines;
}

function showTip(tip, frame, target, x, y) {
  tip.hidden = !target;
  if (!target) return;
  fill(tip, ...describe(target).map((line) => element("div", {}, line)));
  tip.style.left = `${Math.max(0, Math.min(x + 14, frame.clientWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${y + 14 + tip.offsetHeight > frame.clientHeight ? Math.max(0, y - tip.offsetHeight - 8) : y + 14}px`;
}

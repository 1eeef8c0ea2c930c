// One Pod: topic "pod/NAMESPACE/NAME" (dashboard/life), and its logs.
import { caption, element, fill, link, scroller, visible } from "../dom.js";
import { text } from "../text.js";
import { duration, moment, now, precise, timeOfDay } from "../times.js";
import { logPanel } from "../pod_log.js";
import { refresh } from "../refresh.js";

// A Pod that is not there yet is asked for again after so long.
const AGAIN_MS = 3000;
// How far the clock of the page's server is from this machine's is unknown: what lasts is shown in whole steps.
const TICK_MS = 1000;

export const title = (params) => visible(`${params.namespace}/${params.name}`);

export function mount(root, params, page) {
  const { namespace, name } = params;
  const parts = Object.fromEntries(["head", "why", "steps", "containers", "family", "events"].map((one) => [one, element("section")]));
  for (const [key, section] of Object.entries(parts)) {
    section.id = `pod-${key}`;
    section.setAttribute("aria-label", text(`pod.${key}`));
  }
  const log = logPanel(namespace, name);
  const message = element("p", { role: "status" }, text("pod.loading"));
  fill(root, element("h1", {}, title(params)), message, ...Object.values(parts), log.section);

  let shown = null;
  const take = (pod) => {
    shown = pod;
    message.hidden = true;
    for (const section of Object.values(parts)) section.hidden = false;
    // Of a Pod that is gone neither is known.
    parts.containers.hidden = !pod.containers;
    parts.family.hidden = !pod.family;
    const { namespace: of, uid, gone } = pod;
    refresh(parts.head, [pod.state, gone, pod.node, pod.ip, pod.created, pod.deletionAt, pod.deletedAt, uid, pod.others, pod.why.healthy], () => head(pod));
    refresh(parts.why, [pod.why, of, gone], () => why(pod));
    refresh(parts.steps, [pod.steps, gone], () => steps(pod));
    refresh(parts.containers, pod.containers ?? null, () => containers(pod));
    refresh(parts.family, [pod.family, of, uid], () => family(pod));
    refresh(parts.events, pod.events, () => events(pod));
    log.take(pod);
  };
  const uid = params.query.get("uid");
  const asked = new URLSearchParams({ ...(uid && { uid }), ...(page.language !== "en" && { lang: page.language }) });
  const topic = `pod/${namespace}/${name}${asked.size ? `?${asked}` : ""}`;
  let stop = () => {};
  let again = 0;
  const subscribe = () => {
    stop = page.live.subscribe(topic, {
      snapshot: take,
      error: (error) => {
        message.hidden = false;
        message.textContent = error.code === 404 ? text("pod.nowhere") : visible(error.message);
        if (error.code !== 404) return;
        stop();
        again = setTimeout(subscribe, AGAIN_MS);
      },
    });
  };
  for (const section of [...Object.values(parts), log.section]) section.hidden = true;
  subscribe();
  const tick = setInterval(() => shown && lasting(parts.steps, shown), TICK_MS);
  return () => {
    clearTimeout(again);
    clearInterval(tick);
    stop();
    log.stop();
  };
}

const pairs = (list) =>
  element("dl", { className: "pairs" }, ...list.filter(([, value]) => value !== null && value !== "" && value !== undefined)
    .flatMap(([key, value]) => [element("dt", {}, text(key)), element("dd", {}, value)]));

function head(pod) {
  const state = pod.gone ? text("pod.gone") : visible(pod.state ?? pod.phase);
  const tone = pod.gone ? "quiet" : pod.why.healthy ? "good" : "bad";
  const others = pod.others.map((one) => {
    const href = `/pod/${encodeURIComponent(pod.namespace)}/${encodeURIComponent(pod.name)}?uid=${encodeURIComponent(one.uid)}`;
    return element("li", {}, link(href, text("pod.other", { time: moment(one.created) })));
  });
  return [
    pairs([
      ["pod.state", element("strong", { className: tone, id: "pod-state" }, state)],
      ["pod.node", pod.node ? visible(pod.node) : ""],
      ["pod.ip", visible(pod.ip)],
      ["pod.created", moment(pod.created)],
      ["pod.deletion", moment(pod.deletionAt)],
      ["pod.deleted", moment(pod.deletedAt)],
      ["pod.uid", visible(pod.uid)],
    ]),
    others.length ? element("details", {}, element("summary", {}, text("pod.others", { n: others.length })), element("ul", {}, ...others)) : null,
  ];
}

function why(pod) {
  const found = pod.why;
  const asked = `${pod.namespace}/${pod.name}`;
  const commands = [...new Set(found.findings.flatMap((one) => one.look))];
  return [
    element("h2", {}, text("pod.why")),
    ...found.findings.flatMap((one) => [
      element("p", { className: found.healthy ? "good" : "bad" }, `${visible(one.what)}.`),
      one.details.length ? element("pre", {}, one.details.map((line) => visible(line)).join("\n")) : null,
    ]),
    ...found.notes.map((note) => element("p", { className: "quiet" }, visible(note))),
    commands.length ? element("details", {}, element("summary", {}, text("pod.look")), element("pre", {}, commands.map((it) => visible(it)).join("\n"))) : null,
    element("p", {}, link(`/scheduler?${new URLSearchParams({ pod: asked })}`, text("pod.explain"))),
  ];
}

function steps(pod) {
  const { rows, begin, end, recorded, complete, busySeconds } = pod.steps;
  const until = complete || pod.gone ? end : Math.max(end, now());
  const all = rows.flatMap((row) => [
    ...(row.before ?? []).map((gap) => gapRow(gap, begin, until)),
    stepRow(row, begin, until),
    ...(row.within ?? []).map((gap) => gapRow(gap, begin, until)),
    !row.done && row === rows.find((one) => !one.done) && !pod.gone ? waitingRow(pod) : null,
  ]);
  const heads = ["pod.step.number", "pod.step", "pod.step.what", "pod.step.by", "pod.step.at", "pod.step.took", "pod.step.when"];
  const done = rows.filter((row) => row.done).length;
  return [
    element("h2", {}, text("pod.steps")),
    recorded ? null : element("p", { className: "quiet" }, text("pod.unrecorded")),
    element("p", { role: "status", id: "pod-total" }, done ? text(complete ? "pod.total" : "pod.reached", {
      n: done, total: precise(end - begin), busy: precise(busySeconds), between: precise(Math.max(0, end - begin - busySeconds)),
    }) : ""),
    scroller(text("pod.steps"), {}, told(element("table", { className: "steps" },
      caption(text("pod.steps")),
      element("thead", {}, element("tr", {}, ...heads.map((one) => element("th", { scope: "col" }, text(one))))),
      element("tbody", {}, ...all.filter(Boolean))))),
  ];
}

// On a phone the rows are laid out as grids (style.css): not every browser still takes them for rows then.
const ROLES = { "thead, tbody": "rowgroup", tr: "row", "thead th": "columnheader", "tbody th": "rowheader", td: "cell" };

function told(table) {
  table.setAttribute("role", "table");
  for (const [selector, role] of Object.entries(ROLES)) {
    for (const one of table.querySelectorAll(selector)) one.setAttribute("role", role);
  }
  return table;
}

function stepRow(row, begin, until) {
  const made = element("tr", { className: row.done ? "" : "quiet" },
    element("td", {}, String(row.number)),
    element("th", { scope: "row" }, row.step),
    element("td", { className: "long" }, visible(row.what)),
    element("td", {}, visible(row.who ?? "")),
    element("td", { className: "short" }, row.done ? `+${precise(row.start - begin)}` : ""),
    element("td", { className: "short" }, row.done ? precise(row.end - row.start) : ""),
    element("td", { className: "when" }, row.done ? bar(row, begin, until, row.component) : null));
  made.dataset.step = row.step;
  made.dataset.done = row.done;
  return made;
}

function gapRow(gap, begin, until) {
  return element("tr", { className: "quiet gap" },
    element("td", {}),
    element("td", {}, text("pod.waits")),
    element("td", { className: "long" }, visible(gap.words)),
    element("td", {}, visible(gap.who)),
    element("td", { className: "short" }, `+${precise(gap.start - begin)}`),
    element("td", { className: "short" }, precise(gap.end - gap.start)),
    element("td", { className: "when" }, bar(gap, begin, until, "wait")));
}

function waitingRow(pod) {
  return element("tr", { className: "waiting" },
    element("td", {}),
    element("td", {}, text("pod.waits")),
    element("td", { className: "long" }, visible(pod.steps.waitsFor || text("pod.next"))),
    element("td", {}), element("td", {}),
    element("td", { id: "pod-lasting" }, lastingText(pod)),
    element("td", {}));
}

const lastingText = (pod) => (pod.steps.end ? duration(Math.max(0, now() - pod.steps.end)) : "");

function lasting(section, pod) {
  const cell = section.querySelector("#pod-lasting");
  if (cell) cell.textContent = lastingText(pod);
}

// Where a step lies in the whole. The columns before it say the same in numbers.
function bar(part, begin, until, kind) {
  const total = Math.max(until - begin, 1e-9);
  const drawn = element("span", { className: "bar", "aria-hidden": "true" });
  drawn.dataset.kind = kind;
  drawn.style.left = `${Math.min(99, ((part.start - begin) / total) * 100)}%`;
  drawn.style.width = `${Math.max(0.5, ((part.end - part.start) / total) * 100)}%`;
  return element("span", { className: "track" }, drawn);
}

function state(of) {
  if (!of) return text("pod.unknown");
  if (of.is === "running") return text("pod.running", { time: timeOfDay(of.since) });
  const words = [visible(of.reason), of.is === "terminated" ? text("pod.exit", { code: of.exitCode }) : "", timeOfDay(of.since)];
  const line = [text(`pod.is.${of.is}`), ...words].filter(Boolean).join(" · ");
  return of.message ? element("span", {}, line, element("pre", {}, visible(of.message))) : line;
}

function probe(one) {
  const answer = one.passed === true ? "pod.probe.passed" : one.passed === false ? "pod.probe.failing" : "pod.probe.silent";
  return element("li", {},
    element("strong", {}, one.which), ` ${visible(one.asks)} · `,
    element("span", { className: one.passed === false ? "bad" : "quiet" }, text(answer)),
    one.failed ? element("pre", {}, `${timeOfDay(one.failedAt)} ${visible(one.failed)}`) : null);
}

function containers(pod) {
  if (!pod.containers) return [];
  const heads = ["pod.container", "pod.container.role", "pod.container.state", "pod.container.restarts", "pod.container.last", "pod.probes"];
  return [
    element("h2", {}, text("pod.containers")),
    scroller(text("pod.containers"), {}, element("table", {},
      caption(text("pod.containers")),
      element("thead", {}, element("tr", {}, ...heads.map((one) => element("th", { scope: "col" }, text(one))))),
      element("tbody", {}, ...pod.containers.map((one) => element("tr", {},
        element("th", { scope: "row", className: "long" }, visible(one.name), element("br"), element("small", {}, visible(one.image))),
        element("td", {}, text(`pod.role.${one.role}`)),
        element("td", { className: "long" }, state(one.state)),
        element("td", { className: one.restarts ? "waiting" : "" }, String(one.restarts ?? 0)),
        element("td", one.last ? { className: "long" } : {}, one.last ? state(one.last) : ""),
        element("td", one.probes?.length ? { className: "long" } : {}, one.probes?.length ? element("ul", {}, ...one.probes.map(probe)) : "")))))),
  ];
}

function child(pod, one) {
  const words = [visible(one.kind), visible(one.name), visible(one.state ?? "")].filter(Boolean).join(" ");
  if (one.uid === pod.uid) return element("li", {}, element("strong", {}, words));
  if (one.kind !== "Pod") return element("li", {}, words);
  return element("li", {}, link(`/pod/${encodeURIComponent(pod.namespace)}/${encodeURIComponent(one.name)}`, words));
}

function family(pod) {
  const { owners = [], owned = [] } = pod.family ?? {};
  return [
    element("h2", {}, text("pod.family")),
    pod.family && !owners.length ? element("p", { className: "quiet" }, text("pod.unowned")) : null,
    ...owners.map((one) => element("details", { open: one.makes === "Pod" },
      element("summary", {}, `${visible(one.kind)} ${visible(one.name)}`, one.found ? "" : ` (${text("pod.owner.unfound")})`),
      element("ul", {}, ...one.children.map((it) => child(pod, it)), one.more ? element("li", { className: "quiet" }, text("pod.more")) : null))),
    owned.length ? element("p", {}, text("pod.owns")) : null,
    owned.length ? element("ul", {}, ...owned.map((it) => child(pod, it))) : null,
  ];
}

function events(pod) {
  const heads = ["pod.event.last", "pod.event.type", "pod.event.reason", "pod.event.count", "pod.event.from", "pod.event.message"];
  return [
    element("h2", {}, text("pod.events")),
    pod.events.length ? scroller(text("pod.events"), {}, element("table", {},
      caption(text("pod.events")),
      element("thead", {}, element("tr", {}, ...heads.map((one) => element("th", { scope: "col" }, text(one))))),
      element("tbody", {}, ...pod.events.map((one) => element("tr", {},
        element("td", { title: moment(one.last) }, timeOfDay(one.last)),
        element("td", { className: one.type === "Warning" ? "bad" : "" }, visible(one.type)),
        element("td", {}, visible(one.reason)),
        element("td", {}, String(one.count)),
        element("td", {}, visible(one.from)),
        element("td", { className: "long" }, visible(one.message))))))) : element("p", { className: "quiet" }, text("pod.events.none")),
  ];
}

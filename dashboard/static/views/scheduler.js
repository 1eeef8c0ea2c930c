// The scheduler: topic "scheduler" (dashboard/scheduling), and why a Pod is where it is.
import { caption, element, fill, link, scroller, visible } from "../dom.js";
import { History } from "../history.js";
import { loadSection } from "../loads/section.js";
import { Plot } from "../plot.js";
import { refresh } from "../refresh.js";
import { text } from "../text.js";
import { precise, timeOfDay } from "../times.js";

const MAX_POINTS = 600;
const MAX_DECISIONS = 200;
const SHOWN_DECISIONS = 50;
const QUEUES = ["active", "backoff", "unschedulable", "gated"];

const whole = (n) => text("scheduler.number", { n: Math.round(n) });
const rate = (n) => text("scheduler.number", { n: n < 10 ? Math.round(n * 10) / 10 : Math.round(n) });

export const title = () => text("scheduler.title");

export function mount(root, params, page) {
  // What changes each second is not said aloud; what keeps the view from showing it is.
  const said = element("p", { id: "scheduler-said" }, text("scheduler.loading"));
  const problem = element("p", { role: "status", className: "bad" });
  const line = (plot) => (key) => ({ key, kind: key, name: text(`scheduler.${plot}.${key}`) });
  const queue = new Plot(QUEUES.map(line("queue")), { id: "scheduler-numbers", label: text("scheduler.queue.plot"), format: whole });
  const pace = new Plot(["decided", "scheduled"].map(line("pace")), { id: "scheduler-pace", label: text("scheduler.pace.plot"), format: rate });
  const latency = new Plot(["p50", "p99"].map(line("latency")), { id: "scheduler-latency", label: text("scheduler.latency.plot"), format: precise, least: 1e-3 });
  // The page itself sees no latencies.
  const slow = element("section", { hidden: true }, element("h2", {}, text("scheduler.latency")), latency.root);
  const decisions = scroller(text("scheduler.decisions"), { id: "scheduler-decisions" });
  const explain = explainPanel(params, page);
  const loads = loadSection(page);
  let points = [];
  let newest = [];
  const plot = () => {
    queue.show(history.points("queue", points));
    pace.show(history.points("pace", points));
    slow.hidden = !history.isThere;
    if (history.isThere) latency.show(history.points("latency", []));
    history.say(points);
  };
  const history = new History("scheduler", params, page, () => plot());
  fill(root,
    element("h1", {}, text("scheduler.title")), said, problem,
    history.root,
    element("section", {}, element("h2", {}, text("scheduler.queue")), queue.root),
    element("section", {}, element("h2", {}, text("scheduler.pace")), pace.root),
    slow,
    loads.section,
    explain.section,
    element("section", {}, element("h2", {}, text("scheduler.decisions")), decisions));

  const tell = (words) => {
    if (problem.textContent !== words) problem.textContent = words;
  };
  const show = (overview, away) => {
    tell(away ? text("scheduler.away", { message: visible(away) }) : "");
    said.hidden = Boolean(away);
    if (!away) said.textContent = overview.identity ? text("scheduler.said", {
      identity: visible(overview.identity), role: text(overview.leading ? "scheduler.leads" : "scheduler.stands"),
      nodes: overview.nodes, pods: overview.pods, assumed: overview.assumed,
    }) : text("scheduler.loading");
    plot();
    // That there are none is not known while nobody answers.
    refresh(decisions, [newest.slice(0, SHOWN_DECISIONS), Boolean(away)], ([all]) => (away && !all.length ? [] : decisionTable(all, explain)));
  };
  const stop = page.live.subscribe("scheduler", {
    snapshot: (all) => {
      ({ points, decisions: newest } = all);
      show(all.overview, all.away);
    },
    changes: (looks) => {
      for (const look of looks.filter((one) => !one.away)) {
        if (look.again) [points, newest] = [[], []];
        points = [...points, look.point].slice(-MAX_POINTS);
        newest = [...look.decisions, ...newest].slice(0, MAX_DECISIONS);
      }
      const last = looks.at(-1);
      show(last.overview, last.away);
    },
    error: (error) => tell(visible(error.message)),
  });
  return () => {
    stop();
    history.stop();
    explain.stop();
    loads.stop();
  };
}

const podPath = (one) => `/pod/${encodeURIComponent(one.namespace)}/${encodeURIComponent(one.name)}`;

function outcome(one) {
  const tone = { Scheduled: "good", Unschedulable: "bad", Error: "bad" }[one.outcome] ?? "waiting";
  return element("span", { className: tone }, visible(one.outcome));
}

function victims(preemption) {
  const names = preemption.victims.map((one) => `${one.namespace}/${one.name} (${one.priority})`);
  return text("scheduler.victims", { node: visible(preemption.node), n: preemption.count, names: visible(names.join(", ")) });
}

function decisionTable(decisions, explain) {
  if (!decisions.length) return element("p", { className: "quiet" }, text("scheduler.none"));
  const heads = ["time", "pod", "outcome", "node", "fitted", "attempt", "waited", "message", "why"];
  return element("table", {},
    caption(text("scheduler.decisions")),
    element("thead", {}, element("tr", {}, ...heads.map((one) => element("th", { scope: "col" }, text(`scheduler.head.${one}`))))),
    element("tbody", {}, ...decisions.map((one) => {
      const ask = element("button", { type: "button", className: "plain", "aria-label": text("scheduler.ask.of", { name: visible(one.name) }) }, text("scheduler.ask"));
      ask.addEventListener("click", () => explain.ask(`${one.namespace}/${one.name}`));
      const words = [visible(one.message), one.preemption ? victims(one.preemption) : ""].filter(Boolean).join(" ");
      return element("tr", {},
        element("td", {}, timeOfDay(one.time)),
        element("td", {}, link(podPath(one), visible(`${one.namespace}/${one.name}`))),
        element("td", {}, outcome(one)),
        element("td", { className: "short" }, visible(one.node)),
        element("td", {}, `${one.feasible}/${one.evaluated}`),
        element("td", {}, String(one.attempt)),
        element("td", { className: "short" }, precise(one.waited)),
        element("td", words ? { className: "long" } : {}, words),
        element("td", { className: "short" }, ask));
    })));
}

// Why a Pod is where it is. The Pod that is asked about stands in the query string, so that the answer is a link.
function explainPanel(params, page) {
  const input = element("input", { id: "explain-pod", placeholder: "default/web", autocomplete: "off", spellcheck: false, size: 40 });
  const button = element("button", { type: "submit" }, text("scheduler.ask"));
  const form = element("form", { className: "tools" }, element("label", { for: "explain-pod" }, text("scheduler.explain.label")), input, button);
  const answer = element("div", { id: "explain-answer", role: "group", "aria-label": text("scheduler.explain") });
  // The answer in a word, aloud; its tables are there to be read.
  const said = element("p", { className: "unseen", role: "status" });
  const section = element("section", {}, element("h2", {}, text("scheduler.explain")), form, said, answer);
  let number = 0;
  const ask = async (name) => {
    const mine = ++number;
    input.value = name;
    page.setQuery({ pod: name });
    const [namespace, pod] = name.includes("/") ? name.split("/", 2) : ["default", name];
    fill(answer, element("p", { className: "quiet" }, text("scheduler.asking")));
    try {
      const found = await page.api(`/api/explain/${encodeURIComponent(namespace)}/${encodeURIComponent(pod)}`);
      if (mine !== number) return;
      fill(answer, ...explained(found));
      said.textContent = `${visible(found.state)}: ${visible(found.message)}`;
    } catch (error) {
      if (mine !== number) return;
      fill(answer, element("p", { className: "bad" }, visible(error.message)));
      said.textContent = visible(error.message);
    }
    section.scrollIntoView({ block: "nearest" });
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) ask(input.value.trim());
  });
  const first = params.query.get("pod");
  if (first) ask(first);
  return { section, ask, stop: () => { number += 1; } };
}

function explained(found) {
  const seen = found.evaluation;
  const parts = [
    element("p", {}, element("strong", {}, visible(found.state)), `: ${visible(found.message)} · `, link(podPath(found), text("scheduler.life"))),
  ];
  if (seen) {
    parts.push(element("p", { className: seen.feasible ? "good" : "bad" }, text("scheduler.feasible", { n: seen.feasible, all: seen.nodes })));
    if (seen.best.length) parts.push(scoreTable(seen));
    if (seen.refused.length) parts.push(element("h3", {}, text(seen.feasible ? "scheduler.lack" : "scheduler.fit")), refusalTable(seen));
    if (seen.more) parts.push(element("p", { className: "quiet" }, text("scheduler.more", { n: seen.more })));
    if (seen.preemption) parts.push(element("p", {}, text("scheduler.preempt", { words: victims(seen.preemption) })));
  } else if (found.detail) {
    parts.push(element("p", { className: "quiet" }, text(found.detail.own ? "scheduler.then" : "scheduler.then.equal")));
    if (found.detail.best.length) parts.push(scoreTable(found.detail));
    parts.push(element("ul", {}, ...found.detail.reasons.map((one) =>
      element("li", {}, text("scheduler.reason", { n: one.nodes, reason: visible(one.reason), plugin: visible(one.plugin) })))));
  }
  return parts;
}

function scoreTable(seen) {
  return scroller(text("scheduler.scores"), {}, element("table", { className: "scores" },
    element("caption", { className: "quiet" }, text("scheduler.scores")),
    element("thead", {}, element("tr", {},
      element("th", { scope: "col" }, text("scheduler.head.node")), element("th", { scope: "col" }, text("scheduler.total")),
      ...seen.plugins.map((one) => element("th", { scope: "col" }, visible(one.name), element("br"), element("small", {}, `×${one.weight}`))))),
    element("tbody", {}, ...seen.best.map((one) => element("tr", {},
      element("th", { scope: "row" }, visible(one.node)), element("td", {}, text("scheduler.number", { n: one.total })),
      ...seen.plugins.map(({ name }) => {
        const score = one.scores[name];
        if (!score) return element("td", {}, "–");
        const raw = score.raw === score.normalised ? "" : ` (${text("scheduler.raw", { n: score.raw })})`;
        return element("td", {}, `${score.normalised}${raw}`);
      }))))));
}

function refusalTable(seen) {
  const who = (one) => {
    const names = visible(one.nodes.join(", "));
    return one.count > one.nodes.length ? text("scheduler.nodes", { n: one.count, names }) : names;
  };
  return scroller(text("scheduler.refusals"), {}, element("table", { className: "refusals" },
    element("caption", { className: "quiet" }, text("scheduler.refusals")),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, text("scheduler.head.node")),
      ...seen.refusers.map((one) => element("th", { scope: "col" }, visible(one))))),
    element("tbody", {}, ...seen.refused.map((one) => element("tr", {},
      element("th", { scope: "row" }, who(one)),
      ...seen.refusers.map((name) => {
        const refusal = one.refusals[name];
        return refusal
          ? element("td", { className: "bad long", title: visible(refusal.reasons.join("; ")) }, `✗ ${visible(refusal.lack || refusal.reasons.join("; "))}`)
          : element("td", { className: "good" }, `✓ ${text("scheduler.takes")}`);
      }))))));
}

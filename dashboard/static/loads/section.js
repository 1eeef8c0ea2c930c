// Load tests in the view of the scheduler: the one that goes on, and where the others are.
import { element, fill, link, visible } from "../dom.js";
import { refresh } from "../refresh.js";
import { text } from "../text.js";
import { followLoad, stateWords } from "./live.js";

const LISTED = 3;

export const loadPath = (name) => `/loads/${encodeURIComponent(name)}`;

export function loadSection(page) {
  const heading = element("h3", { id: "load-heading" });
  const live = element("section", { id: "load-live", hidden: true });
  const others = element("div", { id: "load-others" });
  const section = element("section", {}, element("h2", {}, text("loads.title")), heading, live, others);
  let [shown, end] = ["", () => {}];

  const stop = page.live.subscribe("loads", {
    snapshot: ({ runs, refusal }) => {
      // A run that has just ended stays where the reader looks at it.
      const now = runs.find((one) => one.state === "running") ?? runs.find((one) => one.name === shown);
      refresh(heading, now?.name ?? "", (name) => (name ? link(loadPath(name), visible(name)) : ""));
      heading.hidden = live.hidden = !now;
      if (now && now.name !== shown) {
        end();
        shown = now.name;
        end = followLoad(live, shown, page);
      }
      const listed = runs.filter((one) => one !== now).slice(0, LISTED).map(({ name, workload, state }) => ({ name, workload, state }));
      refresh(others, [listed, now?.name, refusal], () => otherParts(listed, now, refusal));
    },
    error: (error) => fill(others, element("p", { className: "bad" }, visible(error.message))),
  });
  return {
    section,
    stop: () => {
      stop();
      end();
    },
  };
}

function otherParts(listed, now, refusal) {
  const parts = [];
  if (refusal) parts.push(element("p", { className: "bad" }, visible(refusal)));
  else if (!now) parts.push(element("p", { className: "quiet" }, text("loads.none"), " ", element("code", {}, "vaina load run CASE/VARIANT")));
  if (listed.length) {
    parts.push(element("ul", {}, ...listed.map((one) => element("li", {},
      link(loadPath(one.name), visible(one.name)), ` ${visible(one.workload)}: `, stateWords(one)))));
  }
  return [...parts, element("p", {}, link("/loads", text("loads.beside.link")))];
}

// Load tests: those that the page has seen, one of them, and two side by side. Reports are read here and go nowhere.
import { caption, element, fill, link, scroller, visible } from "../dom.js";
import { besideParts } from "../loads/beside.js";
import { followLoad, stateWords } from "../loads/live.js";
import { MAX_BYTES, MAX_ENTRIES, entryOfSeen, readFile } from "../loads/report.js";
import { loadPath } from "../loads/section.js";
import { digits } from "../loads/words.js";
import { refresh } from "../refresh.js";
import { text } from "../text.js";
import { moment } from "../times.js";

const SIDES = ["a", "b"];
// What is chosen: a run that the page has seen, by its name, or a report from a file, by its number.
const SEEN = "seen:";
const FILE = "file:";

export const title = (params) => (params.run ? text("loads.one", { name: visible(params.run) }) : text("loads.title"));

export function mount(root, params, page) {
  return params.run ? mountOne(root, params, page) : mountAll(root, params, page);
}

function mountOne(root, params, page) {
  const live = element("section", { id: "load-live" });
  fill(root, element("h1", {}, title(params)), live,
    element("p", {}, link(`/loads?a=${encodeURIComponent(params.run)}`, text("loads.beside.other")), " · ", link("/scheduler", text("loads.scheduler"))));
  return followLoad(live, params.run, page);
}

function mountAll(root, params, page) {
  const runs = scroller(text("loads.seen"), { id: "loads-runs" });
  const selects = SIDES.map((side) => element("select", { id: `loads-${side}` }));
  const files = element("input", { type: "file", id: "loads-files", multiple: true, accept: ".json,application/json" });
  const said = element("p", { role: "alert", id: "loads-said", className: "bad", hidden: true });
  const result = element("section", { id: "loads-beside" });
  fill(root,
    element("h1", {}, text("loads.title")), element("p", {}, text("loads.how")),
    element("section", {}, element("h2", {}, text("loads.seen")), runs),
    element("section", {}, element("h2", {}, text("loads.beside")),
      element("div", { className: "tools" }, element("label", { for: "loads-files" }, text("loads.files")), files),
      element("p", { className: "quiet" }, text("loads.files.stay")), said,
      element("div", { className: "tools" }, ...SIDES.flatMap((side, at) => [
        element("label", { for: `loads-${side}` }, text(`loads.${side}`)), selects[at],
      ])), result));

  const state = new Choice(params.query, page, () => show());
  let seen = [];
  const show = () => {
    const options = [...seen.map((one) => [SEEN + one.name, `${one.name} · ${one.workload}`]), ...state.fileOptions()];
    selects.forEach((select, at) => {
      refresh(select, options, () => [
        element("option", { value: "" }, text("loads.choose")),
        ...options.map(([value, words]) => element("option", { value }, visible(words, 100))),
      ]);
      select.value = state.chosen[at];
    });
    const [before, after] = state.entries();
    const both = before && after;
    refresh(result, both ? [plain(before), plain(after)] : null,
      () => (both ? besideParts(before, after) : element("p", { className: "quiet" }, text("loads.two"))));
  };
  selects.forEach((select, at) => select.addEventListener("change", () => state.choose(at, select.value)));
  files.addEventListener("change", async () => {
    const problems = await state.read([...files.files]);
    // The same file may be opened again when it has changed.
    files.value = "";
    said.hidden = !problems.length;
    said.textContent = problems.join(" ");
  });
  const stop = page.live.subscribe("loads", {
    snapshot: (all) => {
      seen = all.runs;
      refresh(runs, seen, () => (all.refusal ? element("p", { className: "bad" }, visible(all.refusal)) : runTable(seen)));
      state.offer(seen.map((one) => one.name));
      show();
    },
    error: (error) => fill(runs, element("p", { className: "bad" }, visible(error.message))),
  });
  show();
  return () => {
    stop();
    state.stop();
  };
}

// An entry in values by which it is known again.
const plain = (entry) => [entry, [...entry.config], entry.measurements.map((one) => [...one.figures])];

// What is beside one another; tells `changed` when there is something else to see.
class Choice {
  constructor(query, page, changed) {
    this.page = page;
    this.changed = changed;
    // Reports by number, and what the page has seen, by side.
    this.files = new Map();
    this.number = 0;
    this.stopped = false;
    this.seen = [null, null];
    this.ends = SIDES.map(() => () => {});
    // Whether it is known what the reader wishes to see.
    this.asked = SIDES.some((side) => query.get(side));
    this.chosen = SIDES.map(() => "");
    SIDES.forEach((side, at) => query.get(side) && this.follow(at, SEEN + query.get(side)));
  }

  choose(at, value) {
    this.asked = true;
    this.follow(at, value);
    this.page.setQuery(Object.fromEntries(SIDES.map((side, place) => {
      const one = this.chosen[place];
      return [side, one.startsWith(SEEN) ? one.slice(SEEN.length) : ""];
    })));
    this.changed();
  }

  follow(at, value) {
    this.ends[at]();
    this.ends[at] = () => {};
    this.chosen[at] = value;
    this.seen[at] = null;
    if (!value.startsWith(SEEN)) return;
    this.ends[at] = this.page.live.subscribe(`load/${value.slice(SEEN.length)}`, {
      snapshot: (found) => {
        this.seen[at] = found.run ? entryOfSeen(found) : null;
        this.changed();
      },
    });
  }

  // Show the newest two runs where nobody has said what they wish to see.
  offer(names) {
    if (this.asked || names.length < SIDES.length) return;
    [names[1], names[0]].forEach((name, at) => this.choose(at, SEEN + name));
  }

  // Read reports; return what is to be said of those that are none.
  async read(files) {
    const [problems, added] = [[], []];
    for (const file of files) {
      const name = visible(file.name, 100);
      try {
        if (file.size > MAX_BYTES) throw new Error("loads.file.large");
        for (const entry of readFile(await file.text(), file.name)) added.push(this.add(entry));
      } catch (error) {
        problems.push(text(error.message, { name, size: MAX_BYTES / 1024 / 1024 }));
      }
    }
    if (this.stopped) return [];
    // Two that were opened together are what the reader wishes to see; one stands beside what is there.
    const free = this.chosen.indexOf("");
    if (added.length > 1) SIDES.forEach((_, at) => this.choose(at, added[at]));
    else if (added.length) this.choose(free < 0 ? 1 : free, added[0]);
    return problems;
  }

  add(entry) {
    const value = `${FILE}${++this.number}`;
    this.files.set(value, entry);
    for (const oldest of this.files.keys()) {
      if (this.files.size <= MAX_ENTRIES) break;
      this.files.delete(oldest);
      this.chosen = this.chosen.map((one) => (one === oldest ? "" : one));
    }
    return value;
  }

  fileOptions() {
    return [...this.files].map(([value, entry]) => [value, `${entry.name} · ${entry.workload}`]);
  }

  entries() {
    return SIDES.map((_, at) => this.files.get(this.chosen[at]) ?? this.seen[at]);
  }

  stop() {
    this.stopped = true;
    for (const end of this.ends) end();
  }
}

function runTable(seen) {
  if (!seen.length) {
    return element("p", { className: "quiet" }, text("loads.none"), " ", element("code", {}, "vaina load run CASE/VARIANT"));
  }
  const heads = ["run", "workload", "state", "time", "bound"];
  return element("table", {},
    caption(text("loads.seen")),
    element("thead", {}, element("tr", {}, ...heads.map((one) => element("th", { scope: "col" }, text(`loads.head.${one}`))))),
    element("tbody", {}, ...seen.map((one) => element("tr", {},
      element("th", { scope: "row" }, link(loadPath(one.name), visible(one.name))),
      element("td", {}, visible(one.workload)),
      element("td", {}, stateWords(one)),
      element("td", {}, moment(one.started)),
      element("td", {}, text("loads.of", { n: digits(one.bound), all: digits(one.wanted) }))))));
}

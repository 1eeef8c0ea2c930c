// What Prometheus holds of the last hours, for the plots of a view: topic "history/VIEW?range=RANGE" (dashboard/history).
// Where it holds nothing, and where the reader wants it so, plots show what the page itself has seen.
import { element, fill, visible } from "./dom.js";
import { text } from "./text.js";
import { duration, timeOfDay } from "./times.js";

const RANGES = ["15m", "1h", "6h"];
const OWN = "live";
const FIRST = "1h";

export class History {
  // onChange is called when there is something else to show.
  constructor(view, params, page, onChange) {
    Object.assign(this, { view, page, onChange });
    const asked = params.query.get("range");
    this.chosen = [...RANGES, OWN].includes(asked) ? asked : FIRST;
    this.found = null;
    this.stop = () => {};
    this.choice = element("select", { id: "history-range" }, ...[...RANGES, OWN].map((one) =>
      element("option", { value: one, selected: one === this.chosen }, text(`history.${one}`))));
    this.said = element("span", { className: "quiet", id: "history-source" });
    this.chooser = element("span", { className: "tools" }, element("label", { for: "history-range" }, text("history.range")), this.choice);
    this.root = element("p", { className: "tools" }, this.chooser, this.said);
    this.choice.addEventListener("change", () => {
      this.chosen = this.choice.value;
      page.setQuery({ range: this.chosen === FIRST ? "" : this.chosen });
      this.listen();
      onChange();
    });
    this.listen();
  }

  listen() {
    this.stop();
    this.stop = () => {};
    this.found = null;
    if (this.chosen !== OWN) {
      const take = (found) => {
        this.found = found;
        this.onChange();
      };
      this.stop = this.page.live.subscribe(`history/${this.view}?range=${this.chosen}`, {
        snapshot: take,
        error: (error) => take({ away: error.message }),
      });
    }
  }

  // Whether Prometheus has what is to be shown.
  get isThere() {
    return Boolean(this.found?.plots);
  }

  // The points of a plot: Prometheus', or those that the page has seen.
  points(plot, own) {
    if (!this.isThere) return own;
    const { start, step, plots } = this.found;
    const lines = Object.entries(plots[plot] ?? {});
    const count = Math.max(0, ...lines.map(([, values]) => values.length));
    return Array.from({ length: count }, (_, at) =>
      Object.fromEntries([["time", start + at * step], ...lines.map(([name, values]) => [name, values[at]])]));
  }

  // Say where the points come from; `own` are those that the page has seen.
  say(own) {
    const parts = [];
    if (this.isThere) parts.push(text("history.prometheus", { step: duration(this.found.step) }));
    else if (own.length) parts.push(text("history.own", { time: timeOfDay(own[0].time) }));
    if (this.found?.away) parts.push(text("history.away", { message: visible(this.found.away, 300) }));
    if (this.found?.absent) parts.push(text("history.absent"));
    // Where nobody keeps hours there is nothing to choose.
    this.chooser.hidden = Boolean(this.found?.absent);
    const words = parts.join(" ");
    if (this.said.textContent !== words) fill(this.said, words);
  }
}

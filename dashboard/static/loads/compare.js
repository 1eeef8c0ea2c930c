// What differs between two entries (report.js). Pure.

// In this order; `*` is any process.
const SHOWN = [
  "throughput", "throughput_p50", "throughput_p99", "create_to_bound_p50", "create_to_bound_p90", "create_to_bound_p99",
  "create_to_bound_maximum", "create_to_running_p50", "create_to_running_p99", "create_to_running_maximum", "create_p50",
  "create_p99", "unscheduled", "attempts_scheduled", "attempts_unschedulable", "*_us", "*_mb", "etcd_requests",
  "balance_deviation", "lag",
];
const HIGHER = /^throughput/;
const NEUTRAL = /^attempts_scheduled$/;
// Processes have names of letters, digits and the like; what reports call otherwise is a figure of another sort.
const PROCESS = /^([\w@.-]+?)_(us|mb)$/;
const NO_PROCESS = /_with_events_us$/;
// Medians that differ by no more are as good, as for `vaina load compare`.
export const TOLERANCE = 0.1;

export function process(name) {
  return NO_PROCESS.test(name) ? null : PROCESS.exec(name);
}

// In what a figure is: seconds, Pods a second, µs a Pod, MiB, or a number.
export function unitOf(name) {
  if (name.startsWith("throughput")) return "rate";
  if (name.startsWith("create") || name === "lag") return "seconds";
  const found = process(name);
  return found ? found[2] : "number";
}

// [{name, before, after, share, verdict}], in the order in which they are shown; what is 0 on both sides is left out.
// share: (after - before) / before, null where that cannot be said. verdict: "better", "worse" or "".
export function figureRows(before, after) {
  const names = new Set([...before.keys(), ...after.keys()]);
  const places = (name) => SHOWN.indexOf(SHOWN.includes(name) ? name : `*_${process(name)?.[2]}`);
  return [...names].filter((name) => places(name) >= 0 && (before.get(name) || after.get(name)))
    .sort((one, other) => places(one) - places(other) || (one < other ? -1 : 1))
    .map((name) => row(name, before.get(name) ?? null, after.get(name) ?? null));
}

function row(name, before, after) {
  const share = before !== null && after !== null && before ? (after - before) / Math.abs(before) : null;
  let verdict = "";
  if (before !== null && after !== null && before !== after && !NEUTRAL.test(name) && (share === null || Math.abs(share) > TOLERANCE)) {
    verdict = after > before === HIGHER.test(name) ? "better" : "worse";
  }
  return { name, before, after, share, verdict };
}

// [{name, before, after, differs}] of how both were run: what differs first, then what one of them says alone.
export function configRows(before, after) {
  const names = [...new Set([...before.keys(), ...after.keys()])];
  const rows = names.map((name) => ({
    name, before: before.get(name) ?? null, after: after.get(name) ?? null,
    differs: before.has(name) && after.has(name) && before.get(name) !== after.get(name),
  }));
  const rank = (one) => (one.differs ? 0 : one.before === null || one.after === null ? 1 : 2);
  return rows.sort((one, other) => rank(one) - rank(other));
}

// What lines say at a few moments from 0 on, for the table beside a plot: [[seconds, value of each line], ...]
// Between two points a line is where the point before was; before its first one it is 0.
export function sampled(lines, most = 11) {
  const last = Math.max(0, ...lines.map((line) => line.at(-1)?.[0] ?? 0));
  const at = (line, seconds) => line.findLast(([place]) => place <= seconds)?.[1] ?? 0;
  if (!last) return [];
  return Array.from({ length: most }, (_, place) => {
    const seconds = (last * place) / (most - 1);
    return [seconds, ...lines.map((line) => (line.length ? at(line, seconds) : null))];
  });
}

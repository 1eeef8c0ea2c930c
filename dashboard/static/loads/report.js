// What load tests have found, as values that can be compared: runs that the page has seen, and reports from a file
// (`vaina load run -o`, also with --repeat, and `vaina load compare-configs -o`). Pure: no DOM, and nothing is sent.
//
// An entry: {name, workload, runs, wrong, config: Map, measurements: [{name, figures: Map, bound, rate}]}
//   runs    how many it is the medians of
//   wrong   what the judge found wrong in all of them; null: it is not known
//   bound, rate   [[seconds since the measurement began, Pods bound, or Pods a second], ...]
// Figures have the names of reports (bench/load/report.py, metrics_of); times are seconds.

export const MAX_BYTES = 64 * 1024 * 1024;
// Of a file, and of what one of them has.
export const MAX_ENTRIES = 20;
const MAX_RUNS = 20;
const MAX_MEASUREMENTS = 8;
const MAX_FIGURES = 200;
const MAX_LINES = 60;
const MAX_POINTS = 1000;
const MAX_LETTERS = 300;
const SUMMARY = ["average", "p50", "p90", "p95", "p99", "p999", "maximum"];
const RATES = { average: "throughput", p50: "throughput_p50", p90: "throughput_p90", p95: "throughput_p95", p99: "throughput_p99" };
const MIB = 1024 * 1024;

// Whoever made the file may have put anything in the place of anything.
const list = (value, most) => (Array.isArray(value) ? value.slice(0, most) : []);
const pairs = (value, most) => (value && typeof value === "object" && !Array.isArray(value) ? Object.entries(value).slice(0, most) : []);
const words = (value) => (typeof value === "string" ? value.slice(0, MAX_LETTERS) : "");
const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
const measurementsOf = (report) => list(report?.measurements, MAX_MEASUREMENTS).filter((one) => one && typeof one === "object");
const points = (value, make) => list(value, MAX_POINTS).map(make).filter((one) => one.every((part) => number(part) !== null));

// Read a file. Throws an Error whose message is a key of the texts: it is no report.
export function readFile(content, name) {
  let document = null;
  try {
    document = JSON.parse(content);
  } catch {
    throw new Error("loads.file.json");
  }
  const found = entriesOf(document, words(name));
  if (!found.length) throw new Error("loads.file.none");
  return found;
}

function entriesOf(document, name) {
  switch (document?.format) {
    case "vaina-load/1":
      return several([document], name);
    case "vaina-load-repeated/1":
      return several(list(document.reports, MAX_RUNS), name);
    case "vaina-load-configs/2":
      return list(document.configurations, MAX_ENTRIES).flatMap((one) => {
        const config = words(one?.config) || "default";
        return several(list(one?.runs, MAX_RUNS).map((run) => run?.report), `${name}: ${words(one?.name)}`, [["scheduler config", config]]);
      });
    default:
      return [];
  }
}

// One entry of runs that were made alike; none of what is no report.
function several(reports, name, more = []) {
  const found = reports.filter((one) => measurementsOf(one).length);
  if (!found.length) return [];
  const [first] = found;
  const verified = found.map((one) => one.verification);
  const known = verified.every((one) => one && Array.isArray(one.violations) && !one.reason);
  return [{
    name: `${name} (${words(first.run)})`,
    workload: words(first.workload),
    runs: found.length,
    wrong: known ? verified.reduce((sum, one) => sum + one.violations.length, 0) : null,
    config: new Map([...configOf(first), ...more]),
    measurements: measurementsOf(first).map((_, at) => measured(found, at)),
  }];
}

function configOf(report) {
  const machine = pairs(report.machine, MAX_LINES).filter(([key]) => key !== "load_before");
  const lines = [...pairs(report.params, MAX_LINES), ...pairs(report.how, MAX_LINES), ["commit", report.commit], ...machine];
  return lines
    .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value) && value !== "")
    .slice(0, MAX_LINES).map(([key, value]) => [words(key), words(String(value))]);
}

function measured(reports, at) {
  const each = reports.map((one) => measurementsOf(one)[at]).filter(Boolean);
  const metrics = each.map(metricsOf);
  const names = new Set(metrics.flatMap((one) => [...one.keys()]));
  return {
    name: words(each[0].name),
    figures: new Map([...names].map((name) => [name, median(metrics.map((one) => one.get(name)).filter((one) => one !== undefined))])),
    bound: points(each[0].bound_over_time, (one) => list(one, 2)).filter((one) => one.length === 2),
    rate: fromStart(points(each[0].windows, (one) => [one?.start + one?.seconds, one?.count / one?.seconds])),
  };
}

// The figures of one measurement, by the names that reports, limits and `vaina load compare` have.
export function metricsOf(measurement) {
  const found = new Map();
  const put = (name, value) => {
    if (number(value) !== null && found.size < MAX_FIGURES) found.set(words(name), value);
  };
  if (list(measurement.windows, 1).length) {
    for (const [key, name] of Object.entries(RATES)) put(name, measurement.throughput?.[key]);
  }
  for (const [latency, value] of pairs(measurement.latencies, 10)) {
    for (const name of SUMMARY) put(`${latency}_${name}`, value?.summary?.[name]);
  }
  put("unscheduled", measurement.pods - measurement.bound);
  for (const [result, count] of pairs(measurement.attempts, 10)) put(`attempts_${result}`, count);
  for (const [process, use] of pairs(measurement.processes, 30)) {
    put(`${process}_us`, use?.cpu_us_per_pod);
    put(`${process}_mb`, use?.peak_memory_bytes / MIB);
  }
  put("etcd_requests", pairs(measurement.etcd_requests, 100).reduce((sum, [, count]) => sum + count, 0));
  put("balance_deviation", measurement.balance?.deviation);
  put("balance_most", measurement.balance?.most);
  put("lag", measurement.lag_seconds);
  return found;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// An entry of a run that the page has seen: the value of topic "load/RUN".
export function entryOfSeen({ run, points: all, measurements, config }) {
  return {
    name: run.name,
    workload: run.workload,
    runs: 1,
    wrong: null,
    config: new Map(config),
    measurements: measurements.map((one) => ({
      name: one.name,
      figures: new Map(Object.entries(one.figures)),
      ...cutOut(all, one),
    })),
  };
}

// What the points of a run say of one of its measurements, which began at `since` when `before` Pods were bound.
function cutOut(all, { since, before, seconds, bound: reached }) {
  const within = all.filter(([at]) => at > since && at < since + seconds)
    .map(([at, , bound]) => [at - since, Math.min(Math.max(bound - before, 0), reached)]);
  const bound = seconds > 0 ? [[0, 0], ...within, [seconds, reached]] : [];
  return { bound, rate: rates(bound) };
}

// [[seconds, count], ...] as [[seconds, how much more a second since the point before], ...]
export function rates(counted) {
  return fromStart(counted.slice(1).map(([at, count], place) => {
    const [before, less] = counted[place];
    return [at, at > before ? Math.max(0, count - less) / (at - before) : 0];
  }));
}

// A rate is that of the time before its point, so it begins at once.
const fromStart = (paces) => (paces.length ? [[0, paces[0][1]], ...paces] : []);

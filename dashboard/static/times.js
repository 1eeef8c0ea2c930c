// Times and durations as text, in the language of whoever looks. All are in seconds; moments since the epoch.
import { language } from "./text.js";

const number = (value, digits) =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
// h23: with hour12 the day would begin at 24:00:00.
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const whole = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

// A short duration with three digits: 850 µs, 12.3 ms, 1.24 s, 2m 05s.
export function precise(seconds) {
  if (seconds < 0.5e-6) return "0 ms";
  if (seconds < 0.9995e-3) return `${number(seconds * 1e6, 0)} µs`;
  if (seconds < 0.9995) return `${number(seconds * 1e3, seconds < 9.995e-3 ? 2 : seconds < 99.95e-3 ? 1 : 0)} ms`;
  if (seconds < 59.95) return `${number(seconds, seconds < 9.995 ? 2 : 1)} s`;
  return duration(seconds);
}

// A long one with two units at most: 90s, 5m 30s, 3h, 2d 4h.
export function duration(seconds) {
  const rest = Math.max(0, Math.round(seconds));
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => rest >= size);
  if (first < 0) return "0s";
  const [name, size] = units[first];
  const [next, small] = units[first + 1] ?? ["", 1];
  const more = next ? Math.floor((rest % size) / small) : 0;
  return `${Math.floor(rest / size)}${name}${more ? ` ${more}${next}` : ""}`;
}

// The time of day, with the date unless it is today's.
export function timeOfDay(seconds) {
  if (!seconds) return "";
  const then = new Date(seconds * 1000);
  return (then.toDateString() === new Date().toDateString() ? clock : whole).format(then);
}
export const moment = (seconds) => (seconds ? whole.format(new Date(seconds * 1000)) : "");
export const now = () => Date.now() / 1000;

// Figures of load tests as text.
import { language, text } from "../text.js";
import { precise } from "../times.js";
import { process, unitOf } from "./compare.js";

const few = new Intl.NumberFormat(language, { maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const percent = new Intl.NumberFormat(language, { style: "percent", signDisplay: "exceptZero", maximumFractionDigits: 1 });
const LATENCY = /^(create(?:_to_bound|_to_running)?)_(p\d+|maximum)$/;

// A number with as many digits as say something.
export const digits = (value) => (Math.abs(value) >= 1000 ? whole : few).format(value);
export const share = (value) => percent.format(value);

export function figureName(name) {
  const latency = LATENCY.exec(name);
  if (latency) return `${text(`loads.latency.${latency[1]}`)}, ${latency[2] === "maximum" ? text("loads.maximum") : latency[2]}`;
  const found = process(name);
  return found ? text(`loads.figure.${found[2]}`, { process: found[1] }) : text(`loads.figure.${name}`);
}

export function figureValue(name, value) {
  if (value === null || value === undefined) return "–";
  switch (unitOf(name)) {
    case "seconds": return precise(value);
    case "us": return `${digits(value)} µs`;
    case "mb": return `${digits(value)} MiB`;
    default: return digits(value);
  }
}

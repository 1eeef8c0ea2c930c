// Show a value anew only where it has changed, and leave the reader where they are: focus, and what they opened.
import { fill } from "./dom.js";

const shown = new WeakMap();
const FOCUSABLE = "a[href], button, input, select, summary, [tabindex]";

const name = (one) => [one.tagName, one.getAttribute("aria-label"), one.getAttribute("href"), one.textContent].join("\n");

// Fill a target with make(value), unless it shows that value already.
export function refresh(target, value, make) {
  const key = JSON.stringify(value);
  if (shown.get(target) === key) return;
  shown.set(target, key);
  const focused = target.contains(document.activeElement) ? document.activeElement : null;
  const place = [...target.querySelectorAll(FOCUSABLE)].indexOf(focused);
  const opened = [...target.querySelectorAll("details")].map((one) => one.open);
  fill(target, ...[make(value)].flat());
  const details = [...target.querySelectorAll("details")];
  if (details.length === opened.length) details.forEach((one, at) => { one.open = opened[at]; });
  if (!focused) return;
  const now = [...target.querySelectorAll(FOCUSABLE)];
  // The same thing where it is now, otherwise what stands in its place.
  (now.find((one) => name(one) === name(focused)) ?? now[place])?.focus({ preventScroll: true });
}

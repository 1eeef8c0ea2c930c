// Show a value anew only where it has changed, and leave the reader where they are: focus, what they opened, and
// how far they have moved what scrolls.
import { fill } from "./dom.js";

const shown = new WeakMap();
const FOCUSABLE = "a[href], button, input, select, summary, [tabindex]";

const SCROLLING = ".scroll";

const name = (one) => [one.tagName, one.getAttribute("aria-label"), one.getAttribute("href"), one.textContent].join("\n");

// Fill a target with make(value), unless it shows that value already.
export function refresh(target, value, make) {
  const key = JSON.stringify(value);
  if (shown.get(target) === key) return;
  shown.set(target, key);
  refill(target, [make(value)].flat());
}

// Replace what an element holds, under a reader's eyes.
export function refill(target, children) {
  const focused = target.contains(document.activeElement) ? document.activeElement : null;
  const place = [...target.querySelectorAll(FOCUSABLE)].indexOf(focused);
  const opened = [...target.querySelectorAll("details")].map((one) => one.open);
  const scrolled = [...target.querySelectorAll(SCROLLING)].map((one) => [one.scrollLeft, one.scrollTop]);
  fill(target, ...children);
  const details = [...target.querySelectorAll("details")];
  if (details.length === opened.length) details.forEach((one, at) => { one.open = opened[at]; });
  const scrolling = [...target.querySelectorAll(SCROLLING)];
  if (scrolling.length === scrolled.length) scrolling.forEach((one, at) => { [one.scrollLeft, one.scrollTop] = scrolled[at]; });
  if (!focused) return;
  const now = [...target.querySelectorAll(FOCUSABLE)];
  // The same thing where it is now, otherwise what stands in its place.
  (now.find((one) => name(one) === name(focused)) ?? now[place])?.focus({ preventScroll: true });
}

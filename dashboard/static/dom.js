// Elements out of text, never out of HTML: whatever is shown may have been written by somebody hostile.

// element("a", {href: "/", className: "x"}, "text", otherElement)
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Replace what an element holds.
export function fill(target, ...children) {
  target.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return target;
}

// A link within the page: the router takes it without a reload.
export function link(href, ...children) {
  const made = element("a", { href }, ...children);
  made.dataset.link = "";
  return made;
}

// What moves within itself where it is wider than the page, also by keyboard; `name` says to who does not see it what it is.
export function scroller(name, properties = {}, ...children) {
  return element("div", { className: "scroll", role: "group", tabIndex: 0, "aria-label": name, ...properties }, ...children);
}

// A table's name, where others read it above the table.
export const caption = (name) => element("caption", { className: "unseen" }, name);

// Text of a cluster as it is shown: controls, escapes and changes of direction would change what stands around it.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
export function visible(value, longest = 2000) {
  const whole = String(value ?? "");
  const cut = whole.length > longest ? `${whole.slice(0, longest)}…` : whole;
  return cut.replace(HIDDEN, "\ufffd");
}

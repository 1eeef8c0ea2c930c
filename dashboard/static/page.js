// The page: which view a path shows, the one connection, the words around a view.
//
// A view is a module views/NAME.js with
//   title(params)                  what the tab is called (page texts are loaded)
//   mount(root, params, page)      shows it in `root`; returns what ends it. May be async.
// params: what the path names, and `query` (URLSearchParams). page: what `page` below has.

import { element, fill, link } from "./dom.js";
import { Live } from "./live.js";
import { LANGUAGES, language, loadTexts, remember, text } from "./text.js";

// Links at the top lead to what has `nav`; others are marked there as being `under` one of them.
const ROUTES = [
  { path: /^\/$/, view: "cluster", names: [], nav: "/" },
  { path: /^\/pod\/([^/]+)\/([^/]+)$/, view: "pod", names: ["namespace", "name"], under: "/" },
  { path: /^\/scheduler$/, view: "scheduler", names: [], nav: "/scheduler", texts: ["loads"] },
  { path: /^\/loads$/, view: "loads", names: [], under: "/scheduler" },
  { path: /^\/loads\/([^/]+)$/, view: "loads", names: ["run"], under: "/scheduler" },
  { path: /^\/machinery$/, view: "machinery", names: [], nav: "/machinery" },
  { path: /^\/lessons$/, view: "lessons", names: [], nav: "/lessons" },
  { path: /^\/lessons\/([A-Z]\d{1,2})$/, view: "lessons", names: ["row"], under: "/lessons" },
];

const root = document.getElementById("view");
const notice = document.getElementById("notice");
const connection = document.getElementById("connection");
let current = { unmount: () => {}, number: 0 };
let browser = "broken";
let apiserver = null;

const live = new Live((state) => {
  browser = state;
  showConnection();
});
live.subscribe("status", {
  snapshot: (status) => {
    apiserver = status;
    showConnection();
  },
});

const page = {
  live,
  language,
  text,
  // Ask the page's server: page.api("/api/pods/default/web"). Throws an Error with `code` and the server's words.
  async api(path, options = {}) {
    const response = await fetch(path, options);
    if (response.status === 401) location.reload();
    const value = await response.json();
    if (!response.ok) throw Object.assign(new Error(value.message), { code: value.code, reason: value.reason });
    return value;
  },
  // Show another view.
  go(href) {
    history.pushState(null, "", href);
    change();
  },
  // Change the query string of this view, so that it stays a link.
  setQuery(values) {
    const query = new URLSearchParams(location.search);
    for (const [key, value] of Object.entries(values)) {
      if (value) query.set(key, value);
      else query.delete(key);
    }
    const rest = query.toString();
    history.replaceState(null, "", location.pathname + (rest ? `?${rest}` : ""));
    return query;
  },
};

function match(path) {
  for (const { path: pattern, view, names, under, texts = [] } of ROUTES) {
    const found = pattern.exec(path);
    if (!found) continue;
    try {
      return { view, texts, under, params: Object.fromEntries(names.map((name, at) => [name, decodeURIComponent(found[at + 1])])) };
    } catch {
      return null;
    }
  }
  return null;
}

async function show() {
  const number = current.number + 1;
  current.unmount();
  current = { unmount: () => {}, number };
  notice.hidden = true;
  fill(root);
  const found = match(location.pathname);
  for (const one of document.querySelectorAll("#nav a")) {
    const href = one.getAttribute("href");
    if (href === location.pathname) one.setAttribute("aria-current", "page");
    else if (href === found?.under) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  }
  if (!found) {
    document.title = `${text("nowhere.title")} · vaina`;
    fill(root, element("h1", {}, text("nowhere.title")), element("p", {}, text("nowhere")));
    return;
  }
  const params = { ...found.params, query: new URLSearchParams(location.search) };
  try {
    const [view] = await Promise.all([import(`./views/${found.view}.js`), ...[found.view, ...found.texts].map(loadTexts)]);
    if (current.number !== number) return;
    document.title = `${view.title(params)} · vaina`;
    const unmount = await view.mount(root, params, page);
    if (current.number === number) current.unmount = unmount ?? (() => {});
    else unmount?.();
  } catch (error) {
    // The page's server is away, or the view has a bug: nobody is left before an empty page.
    if (current.number !== number) return;
    notice.textContent = text("unread");
    notice.hidden = false;
    throw error;
  }
}

// Show what the address says now, to a reader who came from another view: their focus would be lost with it.
function change() {
  show();
  root.focus();
}

function showConnection() {
  const state = browser !== "open" ? "broken" : apiserver?.apiserver === "away" ? "away" : apiserver ? "live" : "broken";
  connection.dataset.state = state;
  connection.textContent = text(`connection.${state}`);
  connection.title = state === "live" ? apiserver.version : apiserver?.message ?? "";
}

function makeFrame() {
  document.documentElement.lang = language;
  const skip = document.getElementById("skip");
  skip.textContent = text("skip");
  skip.addEventListener("click", (event) => {
    event.preventDefault();
    root.focus();
  });
  const nav = document.getElementById("nav");
  nav.setAttribute("aria-label", text("nav"));
  fill(nav, ...ROUTES.filter((one) => one.nav).map(({ view, nav: href }) => link(href, text(`nav.${view}`))));
  const others = Object.entries(LANGUAGES).filter(([code]) => code !== language);
  fill(document.getElementById("languages"), ...others.map(([code, name]) => {
    const button = element("button", { type: "button", className: "plain", lang: code }, name);
    button.addEventListener("click", () => {
      remember(code);
      const query = new URLSearchParams(location.search);
      query.delete("lang");
      location.search = query.toString();
      if (!location.search) location.reload();
    });
    return button;
  }));
  document.addEventListener("click", (event) => {
    const target = event.target.closest?.("a[data-link]");
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
    event.preventDefault();
    page.go(target.getAttribute("href"));
  });
  window.addEventListener("popstate", change);
}

await loadTexts("page");
makeFrame();
showConnection();
await show();

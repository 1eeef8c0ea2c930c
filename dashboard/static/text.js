// Texts in the language of whoever looks. One file a language and view: texts/LANGUAGE/VIEW.json, flat.
//
//   {"pods.none": "No Pods.", "pods": {"one": "{n} Pod", "other": "{n} Pods"}}
//
// text("pods.none"), text("pods", {n: 3}). A word that is missing shows its key. What a text is filled with
// is text as well: it goes into the DOM by textContent alone.

export const LANGUAGES = { en: "English", es: "Español" };

const asked = new URLSearchParams(location.search).get("lang");
if (isKnown(asked)) remember(asked);
export const language = pick();

const words = {};
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);

// Read the texts of a view; every view's are read once.
const loaded = new Map();
export function loadTexts(view) {
  if (!loaded.has(view)) loaded.set(view, fetchTexts(view));
  return loaded.get(view);
}

export function text(key, values = {}) {
  let found = words[key] ?? key;
  if (typeof found === "object") found = found[plurals.select(values.n)] ?? found.other;
  return found.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? numbers.format(value) : String(value);
  });
}

export function remember(lang) {
  try { localStorage.setItem("vaina-language", lang); } catch { /* private windows have no storage */ }
}

function pick() {
  let kept = null;
  try { kept = localStorage.getItem("vaina-language"); } catch { /* as above */ }
  const wished = [asked, kept, ...navigator.languages.map((one) => one.slice(0, 2))];
  return wished.find(isKnown) ?? "en";
}

// "toString" is in every object, and no language.
function isKnown(code) {
  return Object.hasOwn(LANGUAGES, code);
}

async function fetchTexts(view) {
  const response = await fetch(`/static/texts/${language}/${view}.json`);
  if (response.ok) Object.assign(words, await response.json());
}

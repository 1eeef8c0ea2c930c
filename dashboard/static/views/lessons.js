// The lessons: which there are, or one of them, to be followed beside the live cluster.

import { element, fill, link, visible } from "../dom.js";
import { language, text } from "../text.js";

const GROUPS = ["A", "B", "C", "D", "E"];
// Where documents that lessons name stand on the page: nowhere. Their names are shown, and lead to nothing.
const LESSON = /^(?:\.\/)?([A-E]\d{1,2})\.md$/;

export function title(params) {
  return params.row ? text("lessons.one", { row: params.row }) : text("lessons.title");
}

export async function mount(root, params, page) {
  try {
    const lessons = await page.api(`/api/lessons?lang=${language}`);
    if (!params.row) fill(root, ...listing(lessons));
    else {
      const lesson = await page.api(`/api/lesson?row=${encodeURIComponent(params.row)}&lang=${language}`);
      fill(root, ...whole(lesson, lessons));
    }
  } catch (error) {
    fill(root, element("h1", {}, title(params)), element("p", {}, visible(error.message)),
      element("p", {}, link("/lessons", text("lessons.all"))));
  }
  return () => {};
}

function listing(lessons) {
  const parts = [element("h1", {}, text("lessons.title")), element("p", {}, text("lessons.how"))];
  for (const group of GROUPS) {
    const own = lessons.filter((one) => one.row[0] === group);
    if (!own.length) continue;
    parts.push(element("h2", {}, text(`lessons.group.${group}`)));
    parts.push(element("ul", { className: "lessons" }, ...own.map((one) =>
      element("li", {}, link(`/lessons/${one.row}`, `${one.row} · ${one.title}`)))));
  }
  return parts;
}

function whole(lesson, lessons) {
  const parts = [element("h1", {}, `${lesson.row} · ${lesson.title}`)];
  if (lesson.needs.length) {
    parts.push(element("p", { className: "quiet" },
      text("lessons.needs", { needs: lesson.needs.map((one) => text(`lessons.needs.${one}`)).join(", ") })));
  }
  const namespace = namespaceOf(lesson);
  if (namespace) {
    parts.push(element("p", {}, link(`/?namespace=${encodeURIComponent(namespace)}`, text("lessons.look", { namespace }))));
  }
  for (const section of lesson.sections) {
    parts.push(element("section", { className: "lesson" }, element("h2", {}, section.heading), ...blocks(section.blocks)));
  }
  return [element("article", {}, ...parts), neighbours(lesson.row, lessons)];
}

// The namespace that a lesson makes for itself, if it does.
function namespaceOf(lesson) {
  const scripts = lesson.sections.flatMap(({ blocks: all }) => all.map(({ script }) => script ?? ""));
  return scripts.map((one) => /^export VAINA_NAMESPACE=(\S+)$/m.exec(one)?.[1]).find(Boolean);
}

function blocks(all) {
  const parts = [];
  let list = null;
  for (const block of all) {
    if (block.kind === "item") {
      if (!list) parts.push(list = element("ul"));
      list.append(element("li", {}, ...block.spans.map(span)));
      continue;
    }
    list = null;
    if (block.kind === "command") parts.push(...command(block));
    else parts.push(element("p", {}, ...block.spans.map(span)));
  }
  return parts;
}

function span({ kind, text: words, target }) {
  if (kind === "code") return element("code", {}, words);
  if (kind === "strong") return element("strong", {}, words);
  const lesson = kind === "link" && LESSON.exec(target);
  if (lesson) return link(`/lessons/${lesson[1]}`, words);
  return kind === "link" ? element("em", {}, words) : document.createTextNode(words);
}

function command({ script, output, until, fails }) {
  const said = element("span", { className: "quiet", role: "status" });
  const copy = element("button", { type: "button" }, text("lessons.copy"));
  const code = element("pre", { className: "typed", tabIndex: 0 }, element("code", {}, script));
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(`${script}\n`);
      said.textContent = text("lessons.copied");
    } catch {
      // The browser does not let the page: what is selected can be copied by hand.
      getSelection().selectAllChildren(code);
      said.textContent = text("lessons.selected");
    }
  });
  const parts = [element("div", { className: "type" }, code, element("p", { className: "copy" }, copy, said))];
  const remarks = [fails && text("lessons.fails"), until && text("lessons.until")].filter(Boolean).join(" ");
  if (remarks) parts.push(element("p", { className: "quiet" }, remarks));
  if (output !== null && output.replaceAll(/[.\s]/g, "")) {
    parts.push(element("p", { className: "quiet" }, text("lessons.expected")));
    parts.push(element("pre", { className: "printed", tabIndex: 0 }, output));
  }
  return parts;
}

function neighbours(row, lessons) {
  const at = lessons.findIndex((one) => one.row === row);
  const before = lessons[at - 1];
  const after = lessons[at + 1];
  return element("nav", { className: "neighbours", "aria-label": text("lessons.title") },
    before && link(`/lessons/${before.row}`, text("lessons.before", { row: before.row })),
    link("/lessons", text("lessons.all")),
    after && link(`/lessons/${after.row}`, text("lessons.after", { row: after.row })));
}

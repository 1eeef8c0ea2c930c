// The output of a Pod's containers, as text. The browser keeps the newest of it.
import { element, fill, visible } from "./dom.js";
import { text } from "./text.js";

const MAX_LETTERS = 256 * 1024;

export function logPanel(namespace, name) {
  const chosen = element("select", { id: "log-container" });
  const previous = element("input", { type: "checkbox", id: "log-previous" });
  const button = element("button", { type: "button", id: "log-follow" }, text("pod.log.follow"));
  const said = element("p", { className: "quiet", role: "status" });
  const output = element("pre", { className: "log", tabIndex: 0, id: "log-output", role: "group", "aria-label": text("pod.log") });
  const section = element("section", { id: "pod-log" },
    element("h2", {}, text("pod.log")),
    element("p", { className: "tools" },
      element("label", { for: "log-container" }, text("pod.container")), " ", chosen, " ",
      element("label", {}, previous, " ", text("pod.log.previous")), " ", button),
    said, output);
  section.setAttribute("aria-label", text("pod.log"));
  let uid = "";
  let letters = 0;
  let leaving = null;

  const stop = () => {
    leaving?.abort();
    leaving = null;
    button.textContent = text("pod.log.follow");
  };
  const add = (words) => {
    const atEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 40;
    output.append(visible(words, Infinity));
    letters += words.length;
    if (letters > MAX_LETTERS) {
      output.textContent = output.textContent.slice(-MAX_LETTERS / 2);
      letters = output.textContent.length;
    }
    if (atEnd) output.scrollTop = output.scrollHeight;
  };
  const follow = async () => {
    stop();
    const mine = (leaving = new AbortController());
    button.textContent = text("pod.log.stop");
    fill(output);
    letters = 0;
    said.textContent = "";
    const query = new URLSearchParams({ container: chosen.value, uid, ...(previous.checked && { previous: "true" }) });
    const path = `/api/pods/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/log?${query}`;
    try {
      const response = await fetch(path, { signal: mine.signal });
      if (response.status === 401) location.reload();
      if (!response.ok) throw new Error((await response.json()).message);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        add(value.replaceAll("\r\n", "\n"));
      }
      said.textContent = text("pod.log.ended");
    } catch (error) {
      if (!mine.signal.aborted) said.textContent = visible(error.message);
    }
    if (leaving === mine) stop();
  };
  button.addEventListener("click", () => (leaving ? stop() : follow()));

  return {
    section,
    stop,
    take(pod) {
      uid = pod.uid;
      const names = (pod.containers ?? []).map((one) => one.name);
      const known = [...chosen.options].map((one) => one.value);
      if (names.join("\n") !== known.join("\n")) {
        const kept = chosen.value;
        fill(chosen, ...names.map((one) => element("option", { value: one }, visible(one))));
        const main = (pod.containers ?? []).find((one) => one.role === "container");
        chosen.value = names.includes(kept) ? kept : main?.name ?? "";
      }
      button.disabled = pod.gone || !names.length;
      // What was read of it while it was there stays.
      section.hidden = button.disabled && !letters;
    },
  };
}

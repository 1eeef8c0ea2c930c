// The cluster: nodes as rooms, Pods as cells.

import { element } from "../dom.js";
import { text } from "../text.js";

export function title() {
  return text("cluster.title");
}

export function mount(root) {
  root.append(element("h1", {}, text("cluster.title")));
  return () => {};
}

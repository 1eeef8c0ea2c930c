// What a reader does with the picture: pointer, touch, wheel and keyboard.
//
//   arrows     the next room, or within an opened room the next Pod     Enter   open the room, then the Pod
//   Escape     out again      + -   larger, smaller      0   everything

// A pointer that moved less than this has clicked.
const CLICK_PIXELS = 5;
// A cell that is smaller is too small to be chosen: the room is opened instead.
const CHOSEN_PIXELS = 7;
const ZOOM_STEP = 1.4;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// on: {point(target, x, y): under the pointer; select(target): by keyboard; choose(pod)}. Returns what ends it.
export function listen(picture, on) {
  const { canvas } = picture;
  const pointers = new Map();
  const ending = new AbortController();
  let moved = 0;
  const place = (event) => ({ x: event.offsetX, y: event.offsetY });

  function choose(target) {
    if (!target) return;
    if (target.room && picture.sideOf(target) >= CHOSEN_PIXELS) on.choose(target);
    else {
      picture.select(target.room ?? target);
      picture.show(target);
      on.select(target.room ?? target);
    }
  }

  function drag(event) {
    const before = pointers.get(event.pointerId), now = place(event);
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    pointers.set(event.pointerId, now);
    moved += Math.hypot(now.x - before.x, now.y - before.y);
    if (moved < CLICK_PIXELS) return;
    if (others.length) {
      const [other] = others;
      const factor = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
      picture.zoom(factor, (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else picture.pan(now.x - before.x, now.y - before.y);
  }

  const handlers = {
    pointerdown(event) {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      if (!pointers.size) moved = 0;
      pointers.set(event.pointerId, place(event));
    },
    pointermove(event) {
      if (pointers.has(event.pointerId)) drag(event);
      else if (event.pointerType === "mouse") on.point(picture.at(event.offsetX, event.offsetY), event.offsetX, event.offsetY);
    },
    pointerup(event) {
      if (!pointers.delete(event.pointerId) || moved >= CLICK_PIXELS) return;
      choose(picture.at(event.offsetX, event.offsetY));
    },
    pointercancel(event) {
      pointers.delete(event.pointerId);
    },
    pointerleave() {
      on.point(null);
    },
    wheel(event) {
      event.preventDefault();
      picture.zoom(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
    },
    keydown(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (key(event.key)) event.preventDefault();
    },
  };

  function key(name) {
    const { selected } = picture;
    const middle = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    if (name in ARROWS) return step(...ARROWS[name]);
    if (name === "+" || name === "=") return picture.zoom(ZOOM_STEP, ...middle) ?? true;
    if (name === "-") return picture.zoom(1 / ZOOM_STEP, ...middle) ?? true;
    if (name === "0") return picture.fit() ?? true;
    if (name === "Enter" && selected) {
      if (selected.room) on.choose(selected);
      else {
        picture.show(selected);
        if (selected.placed.length) take(selected.placed[0]);
      }
      return true;
    }
    if (name === "Escape" && selected) {
      if (selected.room) take(selected.room);
      else {
        picture.fit();
        take(null);
      }
      return true;
    }
    return false;
  }

  function step(x, y) {
    const { selected, rooms } = picture;
    if (!rooms.length) return true;
    if (!selected) return take(rooms[0]) ?? true;
    if (selected.room) {
      const cells = selected.room.placed, at = cells.indexOf(selected);
      take(cells[Math.min(cells.length - 1, Math.max(0, at + x + y))] ?? selected.room);
    } else take(rooms[selected.at + x + y * picture.grid.columns] ?? selected);
    return true;
  }

  function take(target) {
    picture.select(target);
    if (target) picture.reveal(target);
    on.select(target);
  }

  for (const [name, handler] of Object.entries(handlers)) {
    canvas.addEventListener(name, handler, { signal: ending.signal, passive: name !== "wheel" && name !== "keydown" });
  }
  return () => ending.abort();
}

// Draws rooms and cells. What there is, is in model.js; where it is, in layout.js; what a reader does, in input.js.
//
// Only rooms that have changed are drawn anew. While the picture is moved, a copy of the last drawing is moved as
// a whole, and it is drawn sharp once the hand rests.

import { visible } from "../dom.js";
import { GAP, HEAD, PITCH, ROOM, placeCells, placeRooms } from "./layout.js";
import { ENDED, TROUBLE, WAITING, WELL } from "./model.js";
import { Pixels, pixelOf } from "./pixels.js";

const MOST_SCALE = 12;
// Pixels of a cell from which on it has a mark in it, and of a room from which on it has its name.
const MARKED = 5;
const NAMED = 44;
const NAME_LETTERS = 15;
const REST_MS = 90;
const COLOURS = { back: "--back", room: "--raised", line: "--line", text: "--text", quiet: "--quiet", accent: "--accent",
  [WELL]: "--good", [WAITING]: "--waiting", [TROUBLE]: "--bad", [ENDED]: "--ended" };

export class Picture {
  constructor(canvas, model, roomless) {
    this.canvas = canvas;
    this.model = model;
    // What the room without a node is called.
    this.roomless = roomless;
    this.context = canvas.getContext("2d", { alpha: false });
    this.copy = document.createElement("canvas");
    this.view = { scale: 1, x: 0, y: 0 };
    this.copied = null;
    this.isFitted = true;
    this.isMoving = false;
    this.grid = { columns: 1, width: PITCH, height: PITCH };
    this.rooms = [];
    this.selected = null;
    this.dirty = new Set();
    this.isAllDirty = true;
    this.frame = 0;
    // Milliseconds that the last drawings took, for who measures.
    this.took = { sharp: [], moved: [], rooms: [] };
    this.readColours();
    this.resize();
  }

  end() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    this.colours = Object.fromEntries(Object.entries(COLOURS).map(([key, name]) => [key, style.getPropertyValue(name).trim()]));
    this.inks = Object.fromEntries(Object.entries(this.colours).map(([key, colour]) => [key, pixelOf(this.context, colour)]));
    this.redraw();
  }

  // Take what has changed out of the model.
  update() {
    const { rooms, moved } = this.model.takeDirty();
    for (const room of rooms) {
      placeCells(room);
      this.dirty.add(room);
    }
    if (moved) this.arrange();
    this.ask();
  }

  arrange() {
    this.rooms = this.model.sortedRooms();
    for (const room of this.rooms) if (!room.placed) placeCells(room);
    this.grid = placeRooms(this.rooms, this.canvas.clientWidth, this.canvas.clientHeight);
    if (this.isFitted) this.fit();
    else this.redraw();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.pixels = new Pixels(this.canvas.width, this.canvas.height);
    this.arrange();
  }

  // Where to look.

  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = Math.min((width - 8) / this.grid.width, (height - 8) / this.grid.height, 3);
    this.view = { scale, x: (width - (this.grid.width - GAP) * scale) / 2, y: Math.max(4, (height - this.grid.height * scale) / 2) };
    this.isFitted = true;
    this.redraw();
  }

  zoom(factor, x, y) {
    const least = 0.8 * Math.min(this.canvas.clientWidth / this.grid.width, this.canvas.clientHeight / this.grid.height, 1);
    const scale = Math.min(MOST_SCALE, Math.max(least, this.view.scale * factor));
    const by = scale / this.view.scale;
    this.move({ scale, x: x - (x - this.view.x) * by, y: y - (y - this.view.y) * by });
  }

  pan(x, y) {
    this.move({ ...this.view, x: this.view.x + x, y: this.view.y + y });
  }

  // Show the room of a Pod, or a room, large enough to be looked at.
  show(target) {
    const room = target.room ?? target;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = Math.min(MOST_SCALE, Math.max(this.view.scale, (Math.min(width, height) * 0.7) / ROOM));
    this.move({ scale, x: width / 2 - (room.x + ROOM / 2) * scale, y: height / 2 - (room.y + ROOM / 2) * scale });
  }

  // Move just so far that a room is within the window.
  reveal(target) {
    const room = target.room ?? target, { view } = this;
    const left = room.x * view.scale + view.x, top = room.y * view.scale + view.y, side = ROOM * view.scale;
    const x = Math.max(0, -left) || Math.min(0, this.canvas.clientWidth - left - side);
    const y = Math.max(0, -top) || Math.min(0, this.canvas.clientHeight - top - side);
    if (x || y) this.pan(x, y);
  }

  // What is at a place of the canvas: a Pod, a room, or null.
  at(x, y) {
    const wx = (x - this.view.x) / this.view.scale, wy = (y - this.view.y) / this.view.scale;
    const column = Math.floor(wx / PITCH), row = Math.floor(wy / PITCH);
    if (column < 0 || column >= this.grid.columns || row < 0) return null;
    const room = this.rooms[row * this.grid.columns + column];
    if (!room) return null;
    const inX = wx - room.x, inY = wy - room.y;
    if (inX > ROOM || inY > ROOM) return null;
    const pod = room.placed.find((one) => inX >= one.x && inX < one.x + one.side && inY >= one.y && inY < one.y + one.side);
    return pod && pod.room === room ? pod : room;
  }

  // Pixels that a Pod's or a room's side has.
  sideOf(target) {
    return (target.room ? target.side : ROOM) * this.view.scale;
  }

  select(target) {
    for (const one of [this.selected, target]) if (one) this.dirty.add(one.room ?? one);
    this.selected = target;
    this.ask();
  }

  // Drawing.

  move(view) {
    if (!this.isMoving && !this.isAllDirty) {
      this.copy.width = this.canvas.width;
      this.copy.height = this.canvas.height;
      this.copy.getContext("2d", { alpha: false }).drawImage(this.canvas, 0, 0);
      this.copied = this.view;
      this.isMoving = true;
    }
    this.view = view;
    this.isFitted = false;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.redraw(), REST_MS);
    if (this.isMoving) this.ask();
  }

  redraw() {
    this.isMoving = false;
    this.isAllDirty = true;
    if (this.pixels) this.ask();
  }

  ask() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    const begun = performance.now();
    const kind = this.isMoving ? "moved" : this.isAllDirty ? "sharp" : "rooms";
    if (this.isMoving) this.drawMoved();
    else this.drawSharp();
    const took = this.took[kind];
    took.push(performance.now() - begun);
    if (took.length > 500) took.shift();
  }

  drawMoved() {
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.fillStyle = this.colours.back;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const by = this.view.scale / this.copied.scale;
    const x = (this.view.x - this.copied.x * by) * this.ratio, y = (this.view.y - this.copied.y * by) * this.ratio;
    this.context.drawImage(this.copy, x, y, this.copy.width * by, this.copy.height * by);
  }

  drawSharp() {
    const { context, view, ratio, pixels } = this;
    const rooms = (this.isAllDirty ? this.rooms : [...this.dirty]).filter((room) => this.isVisible(room));
    if (this.isAllDirty) pixels.clear(this.inks.back);
    for (const room of rooms) this.drawRoom(room);
    if (this.isAllDirty) pixels.put(context, 0, 0, pixels.width, pixels.height);
    else for (const room of rooms) pixels.put(context, ...this.box(room));
    context.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
    this.drawCrosses(rooms);
    if (ROOM * view.scale >= NAMED) this.drawNames(rooms);
    if (this.selected) this.drawSelected();
    context.setTransform(1, 0, 0, 1, 0, 0);
    this.dirty.clear();
    this.isAllDirty = false;
  }

  // The whole pixels of a room: left, top, width, height.
  box(room) {
    const { view, ratio } = this;
    const left = Math.round((room.x * view.scale + view.x) * ratio), top = Math.round((room.y * view.scale + view.y) * ratio);
    const side = Math.max(1, Math.round(ROOM * view.scale * ratio));
    return [left, top, side, side];
  }

  isVisible(room) {
    const { view } = this;
    const left = room.x * view.scale + view.x, top = room.y * view.scale + view.y, side = ROOM * view.scale;
    return this.rooms[room.at] === room && left > -side && top > -side && left < this.canvas.clientWidth && top < this.canvas.clientHeight;
  }

  // A room and its cells; beside its colour what is on its way has a hole, what has ended a bar.
  drawRoom(room) {
    const { pixels, inks, ratio } = this;
    const [left, top, width] = this.box(room);
    pixels.fill(left, top, width, width, inks.line);
    const edge = width > 8 ? 1 : 0;
    pixels.fill(left + edge, top + edge, width - 2 * edge, width - 2 * edge, inks.room);
    const by = width / ROOM;
    let isBad = room.health === TROUBLE;
    for (const pod of room.placed) {
      isBad ||= pod.health === TROUBLE;
      const x = left + Math.round(pod.x * by), y = top + Math.round(pod.y * by);
      const right = Math.round((pod.x + pod.side) * by) + left, bottom = Math.round((pod.y + pod.side) * by) + top;
      const gap = right - x > 3 ? 1 : 0;
      const wide = Math.max(1, right - x - gap), high = Math.max(1, bottom - y - gap);
      pixels.fill(x, y, wide, high, inks[pod.health]);
      if (wide < MARKED * ratio) continue;
      const rim = Math.max(1, Math.round(wide * 0.22));
      if (pod.health === WAITING) pixels.fill(x + rim, y + rim, wide - 2 * rim, high - 2 * rim, inks.room);
      else if (pod.health === ENDED) pixels.fill(x + rim, y + Math.round(high * 0.42), wide - 2 * rim, Math.max(1, Math.round(high * 0.16)), inks.room);
    }
    if (isBad) this.drawFrame(left, top, width);
  }

  // A room with trouble in it has a thick frame, and a corner that is seen from far away.
  drawFrame(left, top, width) {
    const { pixels, inks: { [TROUBLE]: ink }, ratio } = this;
    const thick = Math.round(width < 20 ? ratio : 2 * ratio);
    const corner = Math.min(Math.round(width * 0.45), Math.max(Math.round((width * HEAD) / ROOM), Math.round(6 * ratio)));
    pixels.fill(left, top, width, thick, ink);
    pixels.fill(left, top + width - thick, width, thick, ink);
    pixels.fill(left, top, thick, width, ink);
    pixels.fill(left + width - thick, top, thick, width, ink);
    for (let row = 0; row < corner; row += 1) pixels.fill(left + width - corner + row, top + row, corner - row, 1, ink);
  }

  // Crosses of Pods in trouble, and a line through a node that is.
  drawCrosses(rooms) {
    const { context } = this;
    context.strokeStyle = this.colours[TROUBLE];
    context.lineWidth = 2 / this.view.scale;
    context.beginPath();
    for (const room of rooms) {
      if (room.health !== TROUBLE) continue;
      context.moveTo(room.x, room.y);
      context.lineTo(room.x + ROOM, room.y + ROOM);
    }
    context.stroke();
    context.strokeStyle = this.colours.room;
    context.lineWidth = Math.max(1.5 / this.view.scale, 0.6);
    context.beginPath();
    for (const room of rooms) {
      for (const pod of room.placed) {
        if (pod.health !== TROUBLE || this.sideOf(pod) < MARKED) continue;
        const x = room.x + pod.x, y = room.y + pod.y, near = pod.side * 0.18, far = pod.side * 0.78;
        context.moveTo(x + near, y + near);
        context.lineTo(x + far, y + far);
        context.moveTo(x + far, y + near);
        context.lineTo(x + near, y + far);
      }
    }
    context.stroke();
  }

  drawNames(rooms) {
    const { context, colours } = this;
    context.font = "9px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (const room of rooms) {
      context.fillStyle = room.health === WELL ? colours.quiet : colours[room.health];
      const name = room.id ? visible(room.name, NAME_LETTERS) : this.roomless;
      context.fillText(name, room.x + 4, room.y + HEAD / 2 + 1, ROOM - HEAD - 4);
    }
  }

  drawSelected() {
    const { context, selected } = this;
    const pixel = 1 / this.view.scale;
    const room = selected.room ?? selected;
    if (!this.isVisible(room)) return;
    const [x, y, side] = selected.room ? [room.x + selected.x, room.y + selected.y, selected.side] : [room.x, room.y, ROOM];
    context.strokeStyle = this.colours.text;
    context.lineWidth = 3 * pixel;
    context.strokeRect(x + 1.5 * pixel, y + 1.5 * pixel, Math.max(side - 3 * pixel, pixel), Math.max(side - 3 * pixel, pixel));
  }
}

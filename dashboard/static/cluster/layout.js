// Where rooms and cells are, in units of the drawing: a room is ROOM wide and high. Nothing here draws.

export const ROOM = 100;
export const GAP = 12;
export const PITCH = ROOM + GAP;
// Of a room, for its name.
export const HEAD = 14;
const INSIDE = ROOM - 4;
const HIGH = ROOM - HEAD - 4;
// The smallest share of a room that a cell takes, so that what asks for nothing is seen too.
const LEAST = 0.004;
const MOST = 0.9;

// Give every room a place in a grid that has about the sides of the window.
export function placeRooms(rooms, width, height) {
  const columns = Math.max(1, Math.min(rooms.length, Math.ceil(Math.sqrt((rooms.length * width) / Math.max(height, 1)))));
  rooms.forEach((room, at) => {
    room.x = (at % columns) * PITCH;
    room.y = Math.floor(at / columns) * PITCH;
    room.at = at;
  });
  return { columns, width: columns * PITCH, height: Math.ceil(rooms.length / columns) * PITCH };
}

// Give every cell of a room its place: squares whose area is what a Pod asks of its node, the largest first.
export function placeCells(room) {
  const cells = [...room.cells];
  for (const pod of cells) pod.share = share(pod, room, cells.length);
  cells.sort((a, b) => b.share - a.share || a.id - b.id);
  let scale = 1;
  while (!shelves(cells, scale) && scale > 0.01) scale *= 0.93;
  room.placed = cells;
}

function share(pod, room, count) {
  // Without a node there is nothing to be a share of: all are alike.
  if (room.id === 0 || !room.cpu) return Math.min(0.02, MOST / count);
  const asked = Math.max(pod.cpu / room.cpu, room.memory ? pod.memory / room.memory : 0);
  return Math.min(MOST, Math.max(LEAST, asked));
}

// Put squares onto shelves from the top; say whether all fit.
function shelves(cells, scale) {
  let x = 0, y = 0, shelf = 0;
  for (const pod of cells) {
    const side = Math.sqrt(pod.share * INSIDE * HIGH) * scale;
    if (x + side > INSIDE) {
      x = 0;
      y += shelf;
      shelf = 0;
    }
    if (y + side > HIGH || side > INSIDE) return false;
    pod.x = 2 + x;
    pod.y = HEAD + 2 + y;
    pod.side = side;
    x += side;
    shelf = Math.max(shelf, side);
  }
  return true;
}

// What is known of the cluster, out of the frames of dashboard/cluster/topic.py. Nothing here draws.

export const WELL = 0, WAITING = 1, TROUBLE = 2, ENDED = 3;
// A Pod that is on its way for longer than this is told beside those in trouble.
const LATE_SECONDS = 120;

export class Model {
  constructor() {
    this.clear();
  }

  clear() {
    this.strings = [];
    this.nodes = new Map();
    this.pods = new Map();
    this.leftOut = 0;
    // 0 is the room of the Pods that have no node.
    this.rooms = new Map([[0, { id: 0, name: "", word: "", health: WELL, cpu: 0, memory: 0, pods: 0, cells: new Set() }]]);
    this.dirty = new Set();
    // Rooms came or went: their places change.
    this.moved = true;
    this.counts = [0, 0, 0, 0];
    this.trouble = new Set();
    this.waiting = new Set();
  }

  snapshot(value) {
    this.clear();
    this.changes(value);
  }

  changes(value) {
    if (value.reset) {
      this.snapshot(value.reset);
      return;
    }
    for (const one of value.strings) this.strings.push(one);
    this.leftOut = value.left_out;
    for (const row of value.nodes) this.takeNode(row);
    for (const row of value.pods) this.takePod(row);
    for (const id of value.gone_pods ?? []) this.drop(id);
    for (const id of value.gone_nodes ?? []) {
      this.rooms.delete(id);
      this.moved = true;
    }
  }

  takeNode([id, name, word, health, cpu, memory, pods]) {
    let room = this.rooms.get(id);
    if (!room) {
      room = { id, cells: new Set() };
      this.rooms.set(id, room);
      this.moved = true;
    }
    Object.assign(room, { name, word: this.strings[word], health, cpu, memory, pods });
    this.dirty.add(room);
  }

  takePod([id, name, namespace, node, owner, word, health, cpu, memory, since, restarts]) {
    this.drop(id);
    const room = this.rooms.get(node);
    const pod = {
      id, name, namespace: this.strings[namespace], owner: this.strings[owner], word: this.strings[word],
      health, cpu, memory, since, restarts, room,
    };
    this.pods.set(id, pod);
    room.cells.add(pod);
    this.dirty.add(room);
    this.counts[health] += 1;
    if (health === TROUBLE) this.trouble.add(pod);
    else if (health === WAITING) this.waiting.add(pod);
  }

  drop(id) {
    const pod = this.pods.get(id);
    if (!pod) return;
    this.pods.delete(id);
    pod.room.cells.delete(pod);
    this.dirty.add(pod.room);
    this.counts[pod.health] -= 1;
    this.trouble.delete(pod);
    this.waiting.delete(pod);
  }

  // Take what has changed since the last call.
  takeDirty() {
    const found = { rooms: this.dirty, moved: this.moved };
    this.dirty = new Set();
    this.moved = false;
    return found;
  }

  // Rooms in the order of their places: first the one without a node, then by name, numbers as numbers.
  sortedRooms() {
    const [first, ...rest] = this.rooms.values();
    return [first, ...rest.sort((a, b) => byName(a.name, b.name))];
  }

  // Up to `most` of what somebody should look at, nodes first, then the newest trouble, then what takes long.
  unhealthy(most, now) {
    const nodes = [...this.rooms.values()].filter((room) => room.health === TROUBLE).sort((a, b) => byName(a.name, b.name));
    const late = [...this.waiting].filter((pod) => pod.since && now - pod.since > LATE_SECONDS);
    const total = nodes.length + this.trouble.size + late.length;
    const pods = [...this.trouble].sort((a, b) => b.since - a.since).slice(0, most);
    late.sort((a, b) => a.since - b.since);
    return { total, rows: [...nodes, ...pods, ...late.slice(0, most)].slice(0, most) };
  }
}

const collator = new Intl.Collator("en", { numeric: true });
export const byName = (a, b) => collator.compare(a, b);

// How long ago, as kubectl writes it: 42s, 5m, 3h, 12d.
export function age(seconds) {
  const passed = Math.max(0, Math.floor(seconds));
  if (passed < 120) return `${passed}s`;
  if (passed < 7200) return `${Math.floor(passed / 60)}m`;
  if (passed < 172800) return `${Math.floor(passed / 3600)}h`;
  return `${Math.floor(passed / 86400)}d`;
}

export const cores = (milli) => (milli % 1000 ? `${milli}m` : String(milli / 1000));
export const mebibytes = (amount) => (amount >= 1024 && amount % 1024 === 0 ? `${amount / 1024}Gi` : `${amount}Mi`);

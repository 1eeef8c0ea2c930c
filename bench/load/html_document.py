"""A page that needs nothing else, and what it is made of: tiles and tables, with their figures as CSV. PURE.

What comes from objects, files and people is escaped here or where it is put into a page, and a policy of the
page lets no script run but its own, which stands below.
"""

import base64
import hashlib
from collections.abc import Sequence
from html import escape

#: how many colours lines have; what comes after has the first one again
COLOURS = 8
_STYLE = """
:root{--bg:#fff;--text:#1f2328;--dim:#59636e;--line:#d8dee4;--tile:#f6f8fa;--good:#1a7f37;--bad:#b42318;
--c0:#1f6feb;--c1:#d1572d;--c2:#1a7f37;--c3:#8250df;--c4:#0b7f7f;--c5:#bf3989;--c6:#8a6d00;--c7:#59636e}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--text:#e6edf3;--dim:#9198a1;--line:#30363d;--tile:#161b22;--good:#4cc46b;--bad:#ff9b8e;
--c0:#58a6ff;--c1:#ff8a5c;--c2:#4cc46b;--c3:#b794ff;--c4:#3fc5c5;--c5:#ff7ac2;--c6:#d6b84a;--c7:#9aa4ae}}
:root{color-scheme:light dark}*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;max-width:1400px;margin:0 auto;padding:1.2em 1em 3em;color:var(--text);background:var(--bg)}
h1{font-size:1.5em;margin:0 0 .2em}h2{font-size:1.2em;margin:2em 0 .6em;padding-top:.8em;border-top:1px solid var(--line)}h3{font-size:1em;margin:0}
h1,h2,p,li,td,th,dd,dt,summary{overflow-wrap:anywhere}p{margin:.4em 0}.note{color:var(--dim)}.bad{color:var(--bad)}.good{color:var(--good)}
dl.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(46%,11.5em),1fr));gap:.6em;margin:1em 0}
.tiles>div{background:var(--tile);border:1px solid var(--line);border-radius:8px;padding:.55em .8em;display:flex;flex-direction:column}
.tiles dt{color:var(--dim);font-size:.85em}.tiles dd{margin:0;font-size:1.45em;font-weight:600;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles dd+dd{font-size:.85em;font-weight:400;color:var(--dim);line-height:1.4}
.plots,.tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25em),1fr));gap:1.2em 2em;margin:1.2em 0}
.plots.pairs{grid-template-columns:repeat(auto-fit,minmax(min(100%,34em),1fr))}.tables{grid-template-columns:repeat(auto-fit,minmax(min(100%,32em),1fr));align-items:start}
figure{margin:0;position:relative;min-width:0}figcaption{display:flex;gap:.6em;align-items:baseline;justify-content:space-between;margin-bottom:.3em;font-weight:600}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
td,th{padding:.2em .7em;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}th{font-weight:600;color:var(--dim);overflow-wrap:normal}.words td:first-child{width:16em}
td:first-child,th:first-child,.words td,.words th{text-align:left}td:first-child,th:first-child{padding-left:0}td{white-space:nowrap}.words td{white-space:normal}
.wide td:first-child,.wide th:first-child{position:sticky;left:0;background:var(--bg);white-space:normal;min-width:8em}
.glance{margin:1.2em 0}.glance td{font-size:1.1em}.glance td:first-child{font-weight:600}
svg{display:block;width:100%;height:auto;touch-action:pan-y;outline-offset:2px}svg text{font:12px system-ui,sans-serif;fill:var(--dim)}
svg .grid{stroke:var(--line)}svg polyline{fill:none;stroke-width:1.8;vector-effect:non-scaling-stroke}svg .cursor{stroke:var(--dim);stroke-dasharray:3 3}
.legend{margin:.2em 0;font-size:.9em;color:var(--dim);display:flex;flex-wrap:wrap;gap:.1em 1.2em}.legend i,.tip i{display:inline-block;width:1.1em;height:.28em;margin-right:.4em;vertical-align:middle;border-radius:2px}
.tip{position:absolute;pointer-events:none;background:var(--bg);border:1px solid var(--line);border-radius:6px;padding:.3em .6em;font-size:.85em;box-shadow:0 2px 8px #0003;font-variant-numeric:tabular-nums;z-index:1;max-width:75%}
button{font:inherit;font-size:.8em;font-weight:400;color:var(--dim);background:none;border:1px solid var(--line);border-radius:6px;padding:.05em .6em;cursor:pointer;flex:none}
button:hover{color:var(--text)}summary{cursor:pointer;margin:1em 0;font-weight:600}
@media(max-width:600px){svg text{font-size:16px}td,th{padding:.2em .5em}body{padding:.8em .7em 3em}.tiles dd{font-size:1.25em}}
@media print{button{display:none}}
""" + "".join(f".s{number}{{stroke:var(--c{number})}}.b{number}{{background:var(--c{number})}}.f{number}{{fill:var(--c{number})}}" for number in range(COLOURS))  # fmt: skip

#: what lies under the pointer (or the arrow keys' cursor) of each plot, and a button for the CSV of each plot
#: and table. Of a line it tells the last point that is not right of the cursor: the sample, window or share
#: that holds there.
_SCRIPT = r"""
(() => {
const number = v => v === 0 ? '0' : Math.abs(v) >= 1000 ? Math.round(v).toLocaleString('en') : String(+v.toPrecision(4));
const cell = text => {
  if (/^-?\d{1,3}(,\d{3})*(\.\d+)?$/.test(text)) return text.replaceAll(',', '');
  if (/^[=+\-@\t\r]/.test(text) && isNaN(text)) text = "'" + text;
  return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
};
const save = (name, rows) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([rows.map(row => row.map(cell).join(',')).join('\r\n') + '\r\n'], {type: 'text/csv'}));
  link.download = name.replace(/[^\w-]+/g, '-').slice(0, 80) + '.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
const offer = (figure, rows) => {
  const button = document.createElement('button'), caption = figure.querySelector('figcaption');
  const name = caption.textContent;
  button.type = 'button';
  button.textContent = 'CSV';
  button.setAttribute('aria-label', 'CSV of ' + name);
  button.onclick = () => save(name, rows());
  caption.append(button);
};
for (const figure of document.querySelectorAll('figure.table'))
  offer(figure, () => [...figure.querySelectorAll('tr')].map(row => [...row.cells].map(one => one.textContent)));
for (const figure of document.querySelectorAll('figure.plot')) {
  const plot = JSON.parse(figure.dataset.plot), svg = figure.querySelector('svg'), box = svg.viewBox.baseVal;
  const tip = document.createElement('div'), make = name => svg.appendChild(document.createElementNS(svg.namespaceURI, name));
  const cursor = make('line'), dots = plot.lines.map((_, at) => { const dot = make('circle'); dot.setAttribute('r', 3.5); dot.setAttribute('class', 'f' + at % 8); return dot; });
  const set = (node, values) => { for (const name in values) node.setAttribute(name, values[name]); };
  cursor.setAttribute('class', 'cursor');
  tip.className = 'tip';
  figure.append(tip);
  offer(figure, () => [['line', plot.x, plot.y], ...plot.lines.flatMap(line => line.points.map(([x, y]) => [line.name, String(x), String(y)]))]);
  const scale = plot.log ? Math.log10 : x => x, width = box.width - plot.left - plot.right;
  let share = 0;
  const hide = () => { for (const node of [tip, cursor, ...dots]) node.style.display = 'none'; };
  const show = () => {
    const raw = plot.least + share * plot.span, x = plot.log ? 10 ** raw : raw, across = plot.left + share * width;
    tip.replaceChildren(number(x) + ' ' + plot.x);
    plot.lines.forEach((line, at) => {
      let low = 0, high = line.points.length;
      const edge = raw + plot.span * 1e-6;
      while (low < high) { const middle = low + high >> 1; if (scale(line.points[middle][0]) <= edge) low = middle + 1; else high = middle; }
      dots[at].style.display = low ? '' : 'none';
      if (!low) return;
      const y = line.points[low - 1][1], row = document.createElement('div'), mark = document.createElement('i');
      mark.className = 'b' + at % 8;
      row.append(mark, (line.name ? line.name + ': ' : '') + number(y) + (plot.y ? ' ' + plot.y : ''));
      tip.append(row);
      set(dots[at], {cx: across, cy: plot.top + (1 - y / plot.most) * (box.height - plot.top - plot.bottom)});
    });
    set(cursor, {x1: across, x2: across, y1: plot.top, y2: box.height - plot.bottom});
    cursor.style.display = tip.style.display = '';
    const left = across / box.width * svg.clientWidth;
    tip.style.top = svg.getBoundingClientRect().top - figure.getBoundingClientRect().top + 'px';
    tip.style.left = (share < .5 ? left + 12 : Math.max(0, left - tip.offsetWidth - 12)) + 'px';
  };
  hide();
  const follow = event => {
    const frame = svg.getBoundingClientRect();
    share = Math.min(1, Math.max(0, ((event.clientX - frame.left) / frame.width * box.width - plot.left) / width));
    show();
  };
  svg.addEventListener('pointermove', follow);
  svg.addEventListener('pointerdown', follow);
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('blur', hide);
  svg.addEventListener('keydown', event => {
    const step = {ArrowLeft: -.01, ArrowRight: .01}[event.key];
    if (!step) return;
    event.preventDefault();
    share = Math.min(1, Math.max(0, share + step));
    show();
  });
}
})();
"""
_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"


def document(title: str, parts: Sequence[str]) -> str:
    """Return a page of these parts. What cannot be written (half a surrogate pair, of a file's name) is a
    question mark.
    """
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>"
    )
    text = "\n".join((head, *parts, f"<script>{_SCRIPT}</script></body></html>\n"))
    return text.encode(errors="replace").decode()


def tiles(found: Sequence[tuple[str, str, str]]) -> str:
    """Return what is to be seen first.

    Of each its name, its value, and what else is to be known of it ("": nothing).
    """
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd>{f'<dd>{escape(beside)}</dd>' if beside else ''}</div>"
        for name, value, beside in found
    )
    return f'<dl class="tiles">{items}</dl>'


def figures_table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    of: str = "",
    marks: Sequence[Sequence[str]] = (),
) -> str:
    """Return a table; of no rows, nothing.

    Args:
        caption: stands above, and names the CSV.
        head: of its columns; all empty: none.
        rows: of text.
        of: numbers, `words`, or `wide`: one that is pushed about where there is no room.
        marks: by row and cell `good`, `bad` or "".
    """
    if not rows:
        return ""
    lines = []
    for number, row in enumerate(rows):
        kinds = marks[number] if marks else [""] * len(row)
        cells = "".join(
            f"<td{f' class={kind}' if kind else ''}>{escape(cell)}</td>"
            for cell, kind in zip(row, kinds, strict=True)
        )
        lines.append(f"<tr>{cells}</tr>")
    top = f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>" if any(head) else ""
    return (
        f'<figure class="table {of}"><figcaption>{escape(caption)}</figcaption>'
        f'<div class="scroll"><table>{top}{"".join(lines)}</table></div></figure>'
    )


def folded(summary: str, content: str) -> str:
    """Return what is shown when it is asked for; of nothing, nothing."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>" if content else ""


def items(found: Sequence[str], *, of: str = "") -> str:
    """Return lines as a list; of none, nothing."""
    return f'<ul class="{of}">{"".join(f"<li>{escape(line)}</li>" for line in found)}</ul>' if found else ""

"""What axe-core finds on a view of the page (deploy/axe.sh brings it)."""

from pathlib import Path
from typing import Final

from tests.support.browser import Tab

AXE: Final = Path(__file__).parents[2] / ".tools" / "axe" / "axe.min.js"
_OPEN = "for (const one of document.querySelectorAll('details')) one.open = true"
_LOOK = """
return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap((rule) =>
  rule.nodes.map((node) => `${rule.id}: ${node.target.join(' ')}: ${node.failureSummary.replaceAll('\\n', ' ')}`)));
"""


async def missed(tab: Tab) -> list[str]:
    """Return what the view that is shown lacks, with every fold open: on a desk in light, on a phone in dark.

    Nothing where there is no axe-core. The tab is a phone afterwards.
    """
    found: list[str] = []
    if not AXE.exists():
        return found
    await tab.run(_OPEN)
    await tab.run(AXE.read_text())
    for width, scheme in ((1280, "light"), (360, "dark")):
        await tab.resize(width, 800)
        await tab.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        found += [f"{width} {scheme} {one}" for one in await tab.run(_LOOK)]
    return found

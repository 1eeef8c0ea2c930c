"""A lesson as JSON: what the page shows."""

from typing import Any

from vaina.lessons.model import Block, Command, Lesson


def document(lesson: Lesson) -> dict[str, Any]:
    """Return a lesson as an object of JSON."""
    return {
        "row": lesson.row,
        "language": lesson.language,
        "title": lesson.title,
        "documents": list(lesson.documents),
        "needs": list(lesson.needs),
        "sections": [
            {"name": part.name, "heading": part.heading, "blocks": [_block(one) for one in part.blocks]}
            for part in lesson.sections
        ],
    }


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Command):
        return {
            "kind": "command",
            "script": block.script,
            "output": None if block.output is None else "\n".join(block.output),
            "until": block.until,
            "fails": block.fails,
        }
    spans = [{"kind": one.kind, "text": one.text, "target": one.target} for one in block.spans]
    return {"kind": "item" if block.item else "paragraph", "spans": spans}

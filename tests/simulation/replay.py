"""PURE: a story as text for a command line, and back: the seed draws it, the rest says what was left out."""

import json
from dataclasses import asdict, fields

from tests.simulation.story import Faults, Step, Story


def to_text(story: Story) -> str:
    """Return a story as one line of JSON."""
    faults = {name: share for name, share in asdict(story.faults).items() if share}
    steps = [[step.at, step.verb, *step.args] for step in story.steps]
    return json.dumps(
        {"seed": story.seed, "nodes": story.nodes, "servers": story.servers,
         "candidates": story.candidates, "disorder": story.disorder,
         "faults": faults, "steps": steps},
        separators=(",", ":"),
    )  # fmt: skip


def from_text(text: str) -> Story:
    """Return the story of a line of JSON. Raises ValueError."""
    tree = json.loads(text)
    try:
        known = {item.name for item in fields(Faults)}
        unknown = sorted(tree["faults"].keys() - known)
        if unknown:
            raise ValueError(f"unknown faults: {', '.join(unknown)}")
        steps = tuple(Step(at, verb, tuple(args)) for at, verb, *args in tree["steps"])
        return Story(
            tree["seed"],
            tree["nodes"],
            tree["servers"],
            tree["candidates"],
            tree["disorder"],
            Faults(**tree["faults"]),
            steps,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no story: {type(error).__name__} {error}") from error

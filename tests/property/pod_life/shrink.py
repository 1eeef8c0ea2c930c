"""A story that fails, made short: what is not needed for the failure is left out."""

from collections.abc import Callable

from tests.property.pod_life.story import Life, Story


def failure(story: Story) -> str:
    """Return what is wrong with a life; "": nothing."""
    life = Life(story)
    try:
        life.live()
    except AssertionError as error:
        return str(error) or "an assertion without words"
    return ""


def shrink(story: Story, fails: Callable[[Story], bool], *, max_tries: int = 100) -> Story:
    """Return a story of fewer steps that fails too."""
    tries, index = 0, 0
    while index < len(story.steps) and tries < max_tries:
        tries += 1
        shorter = Story(story.seed, story.steps[:index] + story.steps[index + 1 :])
        if fails(shorter):
            story = shorter
        else:
            index += 1
    return story


def alike(words: str) -> Callable[[Story], bool]:
    """Return what says whether a story fails in the same way."""
    return lambda story: failure(story)[:14] == words[:14]


def tell(story: Story) -> str:
    """Return the whole life of a short story, for whoever has to find the mistake."""
    life = Life(story)
    try:
        life.live()
    except AssertionError as error:
        return "\n".join([f"{error}", f"{story}", *life.log, str(life.node.pod.spec)])
    return "nothing is wrong"

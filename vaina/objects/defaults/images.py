"""The pull policy that an image's tag implies."""


def tag_of(image: str) -> str:
    """Return an image's tag: `latest` when it has neither tag nor digest, nothing when it has only a digest."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    if colon:
        return tag
    return "" if digest or not name else "latest"


def pull_policy(image: str) -> str:
    """Return Always for `latest`, IfNotPresent for everything else."""
    return "Always" if tag_of(image) == "latest" else "IfNotPresent"

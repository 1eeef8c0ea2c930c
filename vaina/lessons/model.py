"""What a lesson consists of."""

from dataclasses import dataclass

#: languages, and the headings of a lesson's sections in each, in their order
HEADINGS: dict[str, dict[str, str]] = {
    "en": {
        "document": "What the document says",
        "try": "Try it",
        "see": "What you see",
        "why": "Why it is so",
        "break": "What to break next",
        "tidy": "Tidy up",
    },
    "es": {
        "document": "Qué dice el documento",
        "try": "Pruébalo",
        "see": "Qué ves",
        "why": "Por qué es así",
        "break": "Qué romper ahora",
        "tidy": "Recoge",
    },
}
#: when the tests run a lesson: in `make test`, in `make soak`, or in `make soak` with a cluster of its own
RUNS = ("quick", "soak", "apart")
#: what a lesson may need besides the command `vaina` and a cluster; `checkout` is the project's own folder
NEEDS = ("kubectl", "grpcurl", "checkout")


class LessonError(ValueError):
    """A lesson that cannot be read: the file, the line, and what is wrong with it."""

    def __init__(self, source: str, line: int, words: str) -> None:
        super().__init__(f"{source}:{line}: {words}")
        self.source, self.line, self.words = source, line, words


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line of prose: plain text, code, strong, or a link (with `target`)."""

    kind: str
    text: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph, or (with `item`) an entry of a list."""

    spans: tuple[Span, ...]
    item: bool = False

    @property
    def text(self) -> str:
        """The words without their marks."""
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True, slots=True)
class Command:
    """What to type, and what it prints then."""

    script: str
    #: where it stands in the file
    line: int
    #: the patterns of the output's lines (`matching`); None: any output will do
    output: tuple[str, ...] | None = None
    #: it is repeated until the output is as expected: the state that the step waits for
    until: bool = False
    #: it is refused: its exit code is not 0
    fails: bool = False


Block = Prose | Command


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a lesson: its name (a key of HEADINGS), and what stands in it."""

    name: str
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A row of docs/requirements.md, to be tried."""

    row: str
    language: str
    title: str
    #: numbers of the documents that say it: 000 to 004
    documents: tuple[str, ...]
    #: one of RUNS
    runs: str
    #: some of NEEDS
    needs: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def commands(self) -> tuple[Command, ...]:
        """What there is to type, in order; tidying up comes last."""
        return tuple(one for part in self.sections for one in part.blocks if isinstance(one, Command))

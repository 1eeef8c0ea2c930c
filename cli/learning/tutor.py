"""`vaina learn ROW` in a terminal: shows a lesson step by step, and does what the learner confirms or types."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from cli.failures import Exit
from cli.learning import shown
from cli.learning.session import Done, Session, SessionEnded, opened
from cli.shell import Shell
from vaina.lessons.model import Command, Lesson, Section
from vaina.texts import ENGLISH, Language

#: what a learner types to leave a step out, and to end
SKIP: Final = "s"
QUIT: Final = "q"
#: a shell in which commands say the same as in the lesson: without colours, as wide as into a file
_QUIET: Final = {"NO_COLOR": "1"}


class Quit(Exception):
    """The learner wants to end."""


class Tutor:
    """One run of one lesson. Not async: it waits for a person, whose Ctrl-C ends it at any moment."""

    def __init__(
        self,
        shell: Shell,
        lesson: Lesson,
        environment: Mapping[str, str],
        where: Path | None = None,
        *,
        language: Language = ENGLISH,
        ask: bool = True,
    ) -> None:
        """Make it.

        Args:
            shell: where it is shown, and where answers come from.
            lesson: what is shown.
            environment: variables of what is typed.
            where: the folder in which it is typed; that of this process when there is none.
            language: in which it is taught; the lesson is in that language too.
            ask: wait before each step for what the learner wants; without, do all of them.
        """
        self._shell, self._lesson, self._ask = shell, lesson, ask
        self._environment, self._where = {**environment, **_QUIET}, where
        self._language = language
        #: something of it may be in the cluster
        self._begun = False

    def run(self) -> int:
        """Do the lesson; return the exit code: 1 when, without asking, a step did not do what it should."""
        shell = self._shell
        try:
            with asyncio.Runner() as runner:
                # Before anything is shown: a Ctrl-C while the loop is made would be a traceback.
                runner.get_loop()
                self._show_beginning()
                return self._in_session(runner)
        except Quit:
            self._tell_what_is_left()
            return 0
        except KeyboardInterrupt:
            shell.out("\n")
            self._tell_what_is_left()
            raise

    def _show_beginning(self) -> None:
        shell, language = self._shell, self._language
        shell.out(shown.heading(self._lesson, language, shell.paint))
        if self._ask:
            keys = language(
                "Enter does what is shown. Type a command to try something else; s leaves a step out, q ends."
            )
            shell.out(f"{keys}\n")

    def _in_session(self, runner: asyncio.Runner) -> int:
        stack, language, code = AsyncExitStack(), self._language, 0
        session = runner.run(
            stack.enter_async_context(opened(self._environment, self._shell.clock, self._where))
        )
        try:
            for section in self._lesson.sections:
                code = self._section(runner, session, section) or code
                if code and not self._ask:
                    return code
        except SessionEnded as error:
            raise Exit(1, language("The lesson's shell has ended: {words}", words=str(error))) from error
        finally:
            runner.run(stack.aclose())
        self._shell.out("\n" + language("That was {row}.", row=self._lesson.row) + "\n")
        return code

    def _section(self, runner: asyncio.Runner, session: Session, section: Section) -> int:
        shell, code = self._shell, 0
        shell.out(shown.section_heading(section, shell.paint))
        for block in section.blocks:
            if not isinstance(block, Command):
                shell.out(shown.prose(block, shell.width(), shell.paint))
                continue
            shell.out(f"\n{shown.typed(block, shell.paint)}")
            shell.out(shown.remark(block, self._language, shell.paint))
            if self._wanted(runner, session):
                code = self._do(runner, session, block) or code
                if code and not self._ask:
                    return code
        return code

    def _wanted(self, runner: asyncio.Runner, session: Session) -> bool:
        """Ask what to do until it is the step itself; False: it is left out. Raises Quit."""
        language = self._language
        while self._ask:
            self._shell.out(language("[Enter, command, s, q]") + " ")
            line = self._shell.stdin.readline().decode(errors="replace")
            answer = line.strip()
            if not line or answer == QUIT:
                raise Quit
            if answer == SKIP:
                return False
            if not answer:
                break
            self._begun = True
            self._shell.out(_ended(runner.run(session.run(answer)).output))
        return True

    def _do(self, runner: asyncio.Runner, session: Session, command: Command) -> int:
        shell, language = self._shell, self._language
        self._begun = True
        done: Done = runner.run(session.do(command, on_wait=self._waiting if shell.interactive else None))
        shell.out(_ended(done.outcome.output))
        if done.as_expected:
            right = language("as expected") if command.output is not None else ""
            shell.out(f"{shell.paint('dim', right)}\n\n" if right else "\n")
            return 0
        shell.out(shell.paint("yellow", language("That is not what was expected:")) + "\n")
        shell.out(shown.expected(command, language, shell.paint))
        return 1

    def _waiting(self) -> None:
        """Say once that a state is waited for."""
        language = self._language
        self._shell.out(self._shell.paint("dim", language("waiting ...")) + "\n")

    def _tell_what_is_left(self) -> None:
        language = self._language
        tidy = [part for part in self._lesson.sections if part.name == "tidy"]
        if not (self._begun and tidy):
            return
        self._shell.out("\n" + language("Still there. To tidy up:") + "\n")
        for block in tidy[0].blocks:
            if isinstance(block, Command):
                self._shell.out(shown.typed(block, self._shell.paint))


def _ended(text: str) -> str:
    """End a text with a line's end."""
    return text if not text or text.endswith("\n") else f"{text}\n"

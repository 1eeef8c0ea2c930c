"""`vaina learn`: the lessons of docs/lessons in the terminal."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from cli.app import cli
from cli.failures import Failure
from cli.flags import shell_of
from cli.learning import shown
from cli.learning.tutor import Tutor
from cli.shell import Shell
from cli.surroundings import INTERRUPTED
from vaina.lessons.model import HEADINGS, LessonError
from vaina.lessons.shelf import read, rows
from vaina.texts import ENGLISH, Language, language_of

#: the project's folder, where this is a checkout: lessons name its scripts from there
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_SCRIPTS: Final = _CHECKOUT / "deploy" / "compose.sh"


@cli.command("learn")
@click.argument("row", required=False, default="", metavar="[ROW]")
@click.option("--lang", type=click.Choice(sorted(HEADINGS)), help="The lessons' language. [your locale's]")
@click.option("--run", "unasked", is_flag=True, help="Do all steps of it without asking.")
@click.pass_context
def learn(context: click.Context, *, row: str, lang: str | None, unasked: bool) -> None:
    """Learn what a Pod is, lesson by lesson: without ROW, show which there are; with it, step by step.

    Each step waits for you: Enter does what is shown. In a pipe the lesson is written out as it is.
    """
    shell = shell_of(context)
    language = language_of(lang) if lang else shell.language
    if language.name not in HEADINGS:
        language = ENGLISH
    try:
        if not row:
            if unasked:
                raise click.UsageError("--run needs a lesson's name: vaina learn A1 --run")
            titles = {
                name: lesson.title for name in rows(language.name) if (lesson := read(name, language.name))
            }
            if not titles:
                raise Failure("there are no lessons in this installation")
            shell.out(shown.listing(titles, language, shell.paint))
        else:
            if lang:
                shell.environment = in_language(shell.environment, lang)
            context.exit(teach(shell, row.upper(), language, unasked=unasked))
    except LessonError as error:
        raise Failure(str(error)) from error


def teach(shell: Shell, row: str, language: Language, *, unasked: bool) -> int:
    """Show a lesson, or do it; return the exit code. Raises Failure, LessonError, Exit."""
    lesson, known = read(row, language.name), rows(language.name)
    if lesson is None:
        raise Failure(f'there is no lesson "{row}": {", ".join(known)}')
    if not unasked and not (shell.interactive and shell.terminal.is_terminal):
        shell.out(shown.whole(lesson, language, shell.width(), shell.paint))
        return 0
    try:
        where = _CHECKOUT if "checkout" in lesson.needs and _SCRIPTS.exists() else None
        code = Tutor(
            shell, lesson, _with_this_command(shell.environment), where, language=language, ask=not unasked
        ).run()
    except KeyboardInterrupt:
        return INTERRUPTED
    later = known[known.index(row) + 1 :]
    if later and not unasked:
        shell.out(language("Go on with: vaina learn {row}", row=later[0]) + "\n")
    return code


def in_language(environment: Mapping[str, str], name: str) -> dict[str, str]:
    """Return variables with which commands speak a language, whatever the locale; all else of that stays.

    LC_ALL would go before LC_MESSAGES, so it becomes LANG; what it stood before has no say now either.
    """
    everything = environment.get("LC_ALL")
    kept = {key: value for key, value in environment.items() if not (everything and key.startswith("LC_"))}
    if everything:
        kept["LANG"] = everything
    return {**kept, "LC_MESSAGES": name}


def _with_this_command(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables with which `vaina` is found: this one, though its folder may not be on PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return {**environment, "PATH": path}

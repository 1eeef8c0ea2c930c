"""What is said to people in their language: every text has its words, nothing is said past the catalogues."""

import re
from pathlib import Path
from string import Formatter

import pytest

from cli.app import invoke
from cli.printers.diagnosis import render_diagnosis
from cli.printers.explain import render_explain, render_fit
from cli.printers.steps import Look, render_trace
from tests.support.command import CommandLine, text_of
from tests.support.shown_objects import make_trace
from tests.unit.vaina.why.test_diagnose import CASES, Case, evidence_of
from tools.texts import LOCALE, texts, written
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.texts import (
    ENGLISH,
    Language,
    counted,
    joined,
    language_name,
    language_of,
    read_catalogue,
    say,
    sentence,
)
from vaina.why.diagnose import diagnose

CATALOGUES = sorted(LOCALE.glob("*/LC_MESSAGES/vaina.po"))
SPANISH = language_of("es")
SAID = texts()
#: every text in brackets: what is said past a catalogue has none
MARKED = Language("xx", {item.words: (f"⟦{item.words}⟧", f"⟦{item.many or item.words}⟧") for item in SAID})


def placeholders(words: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(words) if name}


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parts[-3])
def test_every_text_has_its_words_with_the_same_placeholders(file: Path) -> None:
    known = read_catalogue(file.read_text(encoding="utf-8"))
    assert known.keys() == {item.words for item in SAID}
    for item in SAID:
        forms = known[item.words]
        assert len(forms) == (2 if item.many else 1), item.words
        for form, source in zip(forms, (item.words, item.many), strict=False):
            assert placeholders(form) == placeholders(source), item.words


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parts[-3])
def test_catalogues_are_as_the_tool_writes_them(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text == written(file.parts[-3], SAID, text), "python tools/texts.py"


def test_there_is_spanish() -> None:
    assert [file.parts[-3] for file in CATALOGUES] == ["es"]


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"LANG": "es_ES.UTF-8"}, "es"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "es"}, "es"),
        ({"LANG": "es_ES.UTF-8", "LC_ALL": "C.UTF-8"}, ""),
        ({"LANG": "es_ES.UTF-8", "LC_ALL": ""}, "es"),
        ({"LANG": "C"}, ""),
        ({"LANG": "../../etc"}, ""),
        ({}, ""),
    ],
)
def test_the_language_is_the_locales(environment: dict[str, str], name: str) -> None:
    assert language_name(environment) == name


@pytest.mark.parametrize("name", ["", "C", "zz", "../es", "e"])
def test_without_a_catalogue_it_is_english(name: str) -> None:
    assert language_of(name) is ENGLISH


def test_texts_in_texts_are_said_as_well_and_sentences_begin_with_a_capital() -> None:
    where = say("container {name}", name="app")
    what = sentence("{where} has ended: {how}", where=where, how=say("exit code {code}", code=3))
    assert what == "Container app has ended: exit code 3"
    assert SPANISH.say(what) == "El contenedor app ha terminado: código de salida 3"
    reasons = joined([say("not enough {name}", name="cpu"), say("no room for one more Pod")])
    assert reasons == "not enough cpu, no room for one more Pod"
    assert SPANISH.say(reasons) == "falta cpu, no hay sitio para un Pod más"
    assert SPANISH.say("{as} it is") == "{as} it is"


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1 nodo"), (2, "2 nodos"), (0, "0 nodos"), (5000, "5,000 nodos")]
)
def test_numbers_have_their_form(count: int, words: str) -> None:
    assert SPANISH.say(counted("{count} node", "{count} nodes", count)) == words


_THREE = "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);"


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1 węzeł"), (2, "2 węzły"), (5, "5 węzłów"), (12, "12 węzłów"), (22, "22 węzły"), (0, "0 węzłów")]
)  # fmt: skip
def test_a_language_may_have_more_forms_than_english(count: int, words: str, tmp_path: Path) -> None:
    file = tmp_path / "pl" / "LC_MESSAGES" / "vaina.po"
    file.parent.mkdir(parents=True)
    entry = 'msgid "{count} node"\nmsgid_plural "{count} nodes"\n'
    forms = "".join(
        f'msgstr[{form}] "{{count}} {word}"\n' for form, word in enumerate(("węzeł", "węzły", "węzłów"))
    )
    file.write_text(f'msgid ""\nmsgstr ""\n"Plural-Forms: {_THREE}\\n"\n\n{entry}{forms}', encoding="utf-8")
    assert language_of("pl", tmp_path).count("{count} node", "{count} nodes", count) == words


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_of_a_diagnosis_is_said_past_the_catalogue(case: Case) -> None:
    found = diagnose(evidence_of(case))
    # Lines that go in are what components and containers have said, or commands.
    own = [
        line for line in render_diagnosis(found, language=MARKED).splitlines() if not line.startswith("  ")
    ]
    assert [line for line in own if not line.startswith("⟦")] == []


def test_a_trace_is_told_in_spanish() -> None:
    shown = render_trace(make_trace(7), width=200, look=Look(language=SPANISH))
    for words in ("PASO", "QUÉ PASÓ", "se eligió un nodo", "apply → Running", "en los pasos"):
        assert words in shown
    assert not re.search(r"\b(STEP|chosen|between|volumes mounted)\b", shown)


def test_a_schedulers_answer_is_told_in_spanish() -> None:
    refused = [pb.ReasonCount(plugin="NodeResourcesFit", reason="Insufficient cpu", nodes=3)]
    answer = pb.ExplainResponse(
        state="Unschedulable", message="m", answered_by=pb.Answerer(leading=True),
        evaluation=pb.Evaluation(nodes=3, reasons=refused),
    )  # fmt: skip
    assert render_explain(answer, language=SPANISH).splitlines() == [
        "Unschedulable: m", "", "0 de 3 nodos lo aceptarían ahora.", "", "Rechazado:",
        "  3 nodos: Insufficient cpu (NodeResourcesFit)",
    ]  # fmt: skip
    fits = pb.FitResponse(copies=1, answered_by=pb.Answerer(leading=True))
    assert render_fit(fits, "default/web", language=SPANISH) == "1 copia de default/web cabría ahora\n"


def test_the_command_speaks_the_language_of_its_shell() -> None:
    line = CommandLine()
    line.run("run", "web", "--image=busybox")
    shell = line.shell()
    shell.language = SPANISH
    assert invoke(shell, ["why", "web"]) == 0
    assert text_of(shell.stdout).splitlines()[:2] == [
        "El Pod default/web está Pending.", "El scheduler todavía no lo ha mirado.",
    ]  # fmt: skip

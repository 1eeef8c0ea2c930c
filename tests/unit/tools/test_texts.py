"""What the tool for catalogues makes of texts with a form for many: no words are lost, none thought there."""

from tools.texts import Said, texts_of, without_words, written
from vaina.texts import read_catalogue, read_entries

ONE, MANY = "{count} node", "{count} nodes"
SAID = [Said(ONE, MANY, "cli/x.py"), Said("gone", "", "cli/x.py")]


def test_a_text_that_is_said_of_one_and_elsewhere_of_many_has_both_forms() -> None:
    alone, counted = f'say("{ONE}", count=1)', f'counted("{ONE}", "{MANY}", n)'
    assert texts_of([("a.py", alone), ("b.py", counted)]) == [Said(ONE, MANY, "a.py")]
    assert texts_of([("a.py", counted), ("b.py", alone)]) == [Said(ONE, MANY, "a.py")]


def test_a_text_that_gets_a_form_for_many_keeps_its_words_and_lacks_those_of_the_other() -> None:
    before = written("es", [Said(ONE, "", "cli/x.py"), SAID[1]], {ONE: ("{count} nodo",), "gone": ("ido",)})
    after = written("es", SAID, read_entries(before))
    assert read_entries(after)[ONE] == ("{count} nodo", "")
    assert without_words(after) == [ONE]
    # The product does not say half a text, and the tool's next run does not lose the half that is there.
    assert read_catalogue(after) == {"gone": ("ido",)}
    assert written("es", SAID, read_entries(after)) == after


def test_a_text_that_loses_its_form_for_many_keeps_the_words_for_one() -> None:
    before = written("es", SAID, {ONE: ("{count} nodo", "{count} nodos"), "gone": ("ido",)})
    assert without_words(before) == []
    after = written("es", [Said(ONE, "", "cli/x.py"), SAID[1]], read_entries(before))
    assert read_catalogue(after) == {ONE: ("{count} nodo",), "gone": ("ido",)}
    assert "msgid_plural" not in after

"""What the tool for catalogues makes of texts with a form for many: no words are lost, none thought there."""

from tools.texts import Said, texts_of, without_words, written
from vaina.texts import read_catalogue, read_entries

ONE, MANY = "{count} node", "{count} nodes"
SAID = [Said(ONE, MANY, "cli/x.py"), Said("gone", "", "cli/x.py")]


def test_a_text_that_is_said_of_one_and_elsewhere_of_many_has_both_forms() -> None:
    alone, counted = f'say("{ONE}", count=1)', f'counted("{ONE}", "{MANY}", n)'
    assert texts_of([("a.py", alone), ("b.py", counted)]) == [Said(ONE, MANY, "a.py")]
    assert texts_of([("a.py", counted), ("b.py", alone)]) == [Said(ONE, MANY, "a.py")]


def catalogue(said: list[Said], words: dict[str, tuple[str, ...]], rule: str = "") -> str:
    """Write a catalogue with words."""
    text = written("es", said, f'msgid ""\nmsgstr ""\n"Plural-Forms: {rule}\\n"\n' if rule else "")
    for source, forms in words.items():
        head, _, tail = text.partition(f'msgid "{source}"\n')
        for form in forms:
            tail = tail.replace(' ""\n', f' "{form}"\n', 1)
        text = f'{head}msgid "{source}"\n{tail}'
    return text


def test_a_text_that_gets_a_form_for_many_keeps_its_words_and_lacks_those_of_the_other() -> None:
    before = catalogue([Said(ONE, "", "cli/x.py"), SAID[1]], {ONE: ("{count} nodo",), "gone": ("ido",)})
    after = written("es", SAID, before)
    assert read_entries(after)[ONE] == ("{count} nodo", "")
    assert without_words(after) == [ONE]
    # The product does not say half a text, and the tool's next run does not lose the half that is there.
    assert read_catalogue(after) == {"gone": ("ido",)}
    assert written("es", SAID, after) == after


def test_a_text_that_loses_its_form_for_many_keeps_the_words_for_one() -> None:
    before = catalogue(SAID, {ONE: ("{count} nodo", "{count} nodos"), "gone": ("ido",)})
    assert without_words(before) == []
    after = written("es", [Said(ONE, "", "cli/x.py"), SAID[1]], before)
    assert read_catalogue(after) == {ONE: ("{count} nodo",), "gone": ("ido",)}
    assert "msgid_plural" not in after


def test_a_language_has_as_many_forms_as_its_catalogue_says() -> None:
    rule = "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);"
    before = catalogue(SAID, {ONE: ("{count} węzeł", "{count} węzły"), "gone": ("nie ma",)}, rule)
    assert read_entries(before)[ONE] == ("{count} węzeł", "{count} węzły", "")
    assert without_words(before) == [ONE]
    assert written("es", SAID, before) == before

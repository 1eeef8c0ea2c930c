import msgspec
import pytest

from vaina.config import ConfigError, HelpRequested, choose, load

_KNOWN = {"memo": "remembers", "echo": "recognises"}


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    #: where the
    #: service listens
    listen: str = "127.0.0.1:1"
    workers: int = 4
    period_seconds: float = 1.5
    enabled: bool = True
    names: tuple[str, ...] = ("*",)


@pytest.fixture
def file(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_defaults_stand_when_nobody_says_anything():
    assert load(Config) == Config()


def test_flags_win_over_the_environment_and_that_over_the_file(file):
    path = file("listen: file\nworkers: 1\nperiod_seconds: 9\n")
    got = load(
        Config,
        argv=["--listen", "flag"],
        environ={"VAINA_LISTEN": "env", "VAINA_WORKERS": "2", "VAINA_CONFIG": path},
    )
    assert got == Config(listen="flag", workers=2, period_seconds=9.0)


def test_texts_become_what_the_fields_are():
    environ = {"VAINA_ENABLED": "false", "VAINA_NAMES": "a, b,,c", "VAINA_PERIOD_SECONDS": "2"}
    got = load(Config, argv=["--workers=7"], environ=environ)
    assert got == Config(enabled=False, names=("a", "b", "c"), period_seconds=2.0, workers=7)


def test_what_others_need_in_the_environment_is_not_ours_to_judge():
    assert load(Config, environ={"VAINA_NODE_NAME": "n1", "VAINA_LISTEN": ""}) == Config()


@pytest.mark.parametrize(
    ("argv", "environ", "words"),
    [
        (["--lisen", "x"], {}, 'unknown flag "--lisen"'),
        (["listen"], {}, 'unknown flag "listen"'),
        (["--listen"], {}, "--listen: a value is missing"),
        (["--workers", "many"], {}, r"\$.workers"),
        ([], {"VAINA_WORKERS": "4.5"}, r"\$.workers"),
        (["--config", "/does/not/exist"], {}, "/does/not/exist"),
    ],
)
def test_what_cannot_be_used_is_named(argv, environ, words):
    with pytest.raises(ConfigError, match=words):
        load(Config, argv=argv, environ=environ)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wokers: 3", 'unknown key "wokers"'),
        ("- a", "a mapping is expected"),
        ("workers: 3\n---\nworkers: 4", "in one document"),
        ("a: [", "config.yaml"),
        ("workers: x", "workers"),
    ],
)
def test_a_file_is_read_strictly(file, text, words):
    with pytest.raises(ConfigError, match=words):
        load(Config, argv=["--config", file(text)])


def test_an_empty_file_says_nothing(file):
    assert load(Config, argv=["--config", file("")]) == Config()


class OneMore(Config, frozen=True, forbid_unknown_fields=True):
    #: how many at once
    workers: int = 8
    #: empty: none
    node_name: str = ""


def test_help_lists_each_flag_with_its_comment_and_its_default():
    with pytest.raises(HelpRequested) as help_requested:
        load(OneMore, argv=["--listen", "--help", "-h"])
    assert str(help_requested.value).splitlines()[1:] == [
        "  --config          a YAML file with the keys below",
        "  --listen          where the service listens (default 127.0.0.1:1)",
        "  --workers         how many at once (default 8)",
        "  --period-seconds  (default 1.5)",
        "  --enabled         (default true)",
        "  --names           (default *)",
        "  --node-name       empty: none",
    ]


@pytest.mark.parametrize(
    ("given", "on"),
    [
        (("all",), {"memo", "echo"}),
        (("none",), set()),
        (("memo",), {"memo"}),
        (("echo", "memo", "memo"), {"memo", "echo"}),
    ],
)
def test_accelerators_are_chosen_by_name(given: tuple[str, ...], on: set[str]) -> None:
    assert choose(given, _KNOWN) == on


@pytest.mark.parametrize(
    ("given", "named"), [(("mem",), '"mem"'), (("none", "memo"), '"none"'), ((), "nothing")]
)
def test_a_name_that_is_not_known_is_refused_with_those_that_are(given: tuple[str, ...], named: str) -> None:
    with pytest.raises(ConfigError) as error:
        choose(given, _KNOWN)
    assert (
        str(error.value) == f"fast_paths: {named} (allowed: all, none, echo, memo; all and none stand alone)"
    )


def test_a_service_without_accelerators_knows_all_and_none() -> None:
    assert choose(("all",), {}) == choose(("none",), {}) == frozenset()

"""What `python -m bench.reference` refuses before anything is started, and its table."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from bench.etcd import ROOT
from bench.load.parse import find_workload, read_workloads
from bench.load.progress import Progress
from bench.load.workload import CreatePods
from bench.reference.__main__ import BEGIN, END, keep, main, unfit
from bench.reference.both import Both, How
from bench.reference.programs import Program, ProgramError, find_program
from bench.reference.raw import decode
from tests.unit.load.loads import report

#: a name that no file system takes, whoever asks
TOO_LONG = Path("/tmp") / ("a" * 300)


def program(path: Path, body: str, *, mode: int = 0o755) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)
    return str(path)


def kube(path: Path, *flags: str, version: str = "v1.37.2") -> str:
    """Write a program that answers as those of Kubernetes do."""
    told = "".join(f"      --{flag} string   What it is for.\\n" for flag in flags)
    return program(path, f'[ "$1" = --version ] && echo Kubernetes {version} || printf -- "Usage:\\n{told}"')


def apiserver(folder: Path) -> str:
    return kube(folder / "kube-apiserver", "etcd-servers", "secure-port")


def scheduler(folder: Path) -> str:
    return kube(folder / "kube-scheduler", "config", "secure-port")


def test_a_program_is_known_by_what_it_says(tmp_path: Path) -> None:
    path = apiserver(tmp_path)
    found = find_program("kube-apiserver", path)
    assert (found.name, found.path, found.version, len(found.sha256)) == (
        "kube-apiserver",
        Path(path),
        "v1.37.2",
        64,
    )


@pytest.mark.parametrize(
    ("body", "mode", "words"),
    [
        ("echo Kubernetes v1.37.2", 0o644, "may not be executed"),
        ("echo etcd Version: 3.5.16", 0o755, "says 'etcd Version: 3.5.16'"),
        ("echo Kubernetes v0.0.0-master+$Format:%H$; exit 3", 0o755, "not 'Kubernetes v1.x.y'"),
        ("exit 1", 0o755, "says 'nothing'"),
        (r"printf 'Kubernetes v1.37.2\033[2J\n'", 0o755, r"says 'Kubernetes v1.37.2\x1b[2J'"),
    ],
)
def test_a_program_that_is_none(tmp_path: Path, body: str, mode: int, words: str) -> None:
    path = program(tmp_path / "some", body, mode=mode)
    with pytest.raises(ProgramError, match="--kube-scheduler: ") as refused:
        find_program("kube-scheduler", path)
    assert words in str(refused.value)


def test_one_program_is_not_taken_for_the_other(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="its --help does not know --etcd-servers: is it a kube-apiserver"):
        find_program("kube-apiserver", scheduler(tmp_path))
    with pytest.raises(ProgramError, match="its --help does not know --config: is it a kube-scheduler"):
        find_program("kube-scheduler", apiserver(tmp_path))
    with pytest.raises(ProgramError, match="--secure-port"):
        find_program("kube-scheduler", kube(tmp_path / "kubelet", "config", "config-dir"))


def test_a_path_at_which_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="there is no such file"):
        find_program("kube-scheduler", str(tmp_path))


def test_a_file_that_no_system_runs(tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(b"\x7fELF and no more")
    (tmp_path / "some").chmod(0o755)
    with pytest.raises(ProgramError, match="cannot be run"):
        find_program("kube-scheduler", str(tmp_path / "some"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["SchedulingBasic/5Nodes", "--tls=none"], "invalid choice: 'none'"),
        (["SchedulingBasic/5Nodes", "--repeat=0"], "--repeat: 1 to 20, not 0"),
        (["SchedulingBasic/5Nodes", "--measure=10"], "is not like 10s..60s"),
        (["SchedulingBasic/5Nodes", "--patience=0"], "--patience"),
        (["SchedulingBasic/5Nodes", "-o", "/"], "--output: /: it cannot be written: Is a directory"),
        (["SchedulingBasic/5Nodes", "-o", "/no/such"], "it cannot be written: No such file or directory"),
        (["SchedulingBasic/5Nodes", "-o", str(TOO_LONG)], "it cannot be written: File name too long"),
        (["SchedulingBasic/NoNodes"], "NoNodes"),
        (["Deployments/1000Nodes_5000Pods"], "controllers make its Pods"),
        (
            ["SchedulingBasic/5Nodes", "--kube-scheduler=/no/such"],
            "--kube-scheduler: /no/such: there is no such file",
        ),
    ],
)
def test_what_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    output = tmp_path / "raw.json"
    common = [
        f"--kube-apiserver={apiserver(tmp_path)}", f"--kube-scheduler={scheduler(tmp_path)}", f"--output={output}",
    ]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main([*common, *arguments])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        ("MixedApps/300Apps", ""),
        ("SteadyState/10Nodes", ""),
        ("EventHandlingNodeUpdate/2Nodes_20Pods", ""),
        ("SteadyStateNodeChurn/10Nodes", "churnNodes is not done with a kube-apiserver"),
        ("Jobs/5Nodes", "controllers make its Pods, and kube-controller-manager is not started"),
    ],
)
def test_which_workloads_fit(workload: str, words: str) -> None:
    assert unfit(find_workload(workload, read_workloads())) == words


def test_a_workload_with_several_measurements_does_not_fit() -> None:
    """Each side has one figure: of two, one would be dropped."""
    known = find_workload("SchedulingBasic/5Nodes_20Pods", read_workloads())
    steps = [*known.case.workload_template, CreatePods(count=3, collect_metrics=True)]
    twice = replace(known, case=replace(known.case, workload_template=steps))
    assert unfit(twice).startswith("it is measured 2 times")


@pytest.fixture
def half(tmp_path: Path) -> Both:
    """A load of which our run failed after the reference's."""
    workload = find_workload("SchedulingBasic/5Nodes_20Pods", read_workloads())
    program = Program("kube-apiserver", tmp_path / "none", "v1.37.2", "")
    made = Both(
        workload, How(program, program), Progress(lambda _: None), begun="today", machine=report().machine
    )
    made.reference.append(report())
    return made


def test_what_one_side_has_is_kept_when_the_other_fails(
    tmp_path: Path, half: Both, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keep([half], tmp_path / "raw.json")
    [entry] = decode((tmp_path / "raw.json").read_bytes()).entries
    assert entry.vaina is not None
    assert (entry.reference.reports, entry.vaina.reports) == ([report()], [])
    assert "| SchedulingBasic/5Nodes_20Pods | 50; 100 Pods | - | - |" in capsys.readouterr().out


def test_raw_data_that_cannot_be_written_are_an_error_and_the_table_is_printed(
    half: Both, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not keep([half], TOO_LONG)
    said = capsys.readouterr()
    assert "| SchedulingBasic/5Nodes_20Pods | 50" in said.out
    assert said.err.endswith("File name too long\n")


def test_without_any_run_nothing_is_written(tmp_path: Path, half: Both) -> None:
    half.reference.clear()
    assert keep([half], tmp_path / "raw.json")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_left_as_it_is_until_there_is_another(tmp_path: Path) -> None:
    output = tmp_path / "raw.json"
    output.write_text("of yesterday")
    with pytest.raises(SystemExit):
        main(["SchedulingBasic/5Nodes", "--kube-apiserver=/no", "--kube-scheduler=/no", f"--output={output}"])
    assert output.read_text() == "of yesterday"


def test_the_table_of_what_is_kept_stands_in_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m bench.reference table --into docs/performance.md` puts it there."""
    assert main(["table"]) == 0
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page.partition(BEGIN)[2].partition(END)[0].strip() == capsys.readouterr().out.strip()


def test_a_table_is_put_into_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text(f"before\n{BEGIN}\nof yesterday\n{END}\nafter\n")
    assert main(["table", "--into", str(page)]) == 0
    found = page.read_text()
    assert found.startswith(f"before\n{BEGIN}\n| load | ")
    assert found.endswith(f"\n{END}\nafter\n")
    assert "of yesterday" not in found


def test_a_table_of_a_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(SystemExit):
        main(["table", str(tmp_path / "a.json")])
    assert "a.json: no raw data" in capsys.readouterr().err


def test_words_of_a_file_that_is_none_do_nothing_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text(r'{"entries": [], "format": "\u001b[2J"}')
    with pytest.raises(SystemExit):
        main(["table", str(tmp_path / "a.json")])
    assert 'of the format "^[[2J"' in capsys.readouterr().err


def test_a_page_without_marks_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.txt"
    page.write_text("words\n")
    with pytest.raises(SystemExit):
        main(["table", "--into", str(page)])
    assert BEGIN in capsys.readouterr().err
    assert page.read_text() == "words\n"

"""`vaina load import`: what it reads, writes and refuses."""

from pathlib import Path

from tests.support.command import CommandLine
from tests.unit.load.exports import a_list, node, pod


def test_an_export_becomes_a_workload_that_is_listed(tmp_path: Path) -> None:
    export, mine = tmp_path / "export.json", tmp_path / "mine"
    export.write_bytes(a_list(node(), pod("secret-name")))
    done = CommandLine().run("load", "import", str(export), "-o", str(mine), "--scrub")
    assert (done.code, done.err) == (0, "")
    assert "taken: 1 Namespace, 1 Node, 1 Pod" in done.out
    assert f"run it: vaina load run -f {mine}/workload.yaml Imported/Pending --local" in done.out
    assert CommandLine().run("load", "list", "-f", str(mine / "workload.yaml")).out == "Imported/Pending\n"
    assert not [path for path in mine.iterdir() if b"secret-name" in path.read_bytes()]
    (mine / "pods.jsonl").unlink()
    done = CommandLine().run("load", "list", "-f", str(mine / "workload.yaml"))
    assert (done.code, "workloadTemplate[1].path: pods.jsonl: there is no such file" in done.err) == (1, True)


def test_standard_input_and_files_are_one_export(tmp_path: Path) -> None:
    export = tmp_path / "export.json"
    export.write_bytes(a_list(node()))
    done = CommandLine().run("load", "import", str(export), "-", "-o", str(tmp_path), stdin=a_list(pod()))
    assert (done.code, "measured: 1 Pods; 0 are there before" in done.out) == (0, True)


def test_what_cannot_be_imported_writes_nothing(tmp_path: Path) -> None:
    export, mine = tmp_path / "export.json", tmp_path / "mine"
    export.write_bytes(a_list(node(), pod()) + b" " * 2**20)
    tries = {
        ("-", "-"): "standard input (-) can be read once",
        (str(tmp_path / "none"),): "cannot read",
        ("-",): "-: no JSON that can be read",
        (str(export), "--max-size=1"): "more than 1 MiB (--max-size)",
        ("-", str(tmp_path / "export.json"), "--max-size=1"): "more than 1 MiB (--max-size)",
    }
    for arguments, error in tries.items():
        done = CommandLine().run("load", "import", *arguments, "-o", str(mine), stdin=b"no")
        assert (done.code, error in done.err) == (1, True), done.err
    done = CommandLine().run("load", "import", "-", "--max-size=1", "-o", str(mine), stdin=b"x" * (2**20 + 1))
    assert (done.code, "more than 1 MiB" in done.err) == (1, True)
    assert not mine.exists()


def test_where_it_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = CommandLine().run("load", "import", "-", "-o", str(tmp_path / "file"), stdin=a_list(node(), pod()))
    assert (done.code, "cannot write" in done.err) == (1, True)

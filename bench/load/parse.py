"""Workloads out of YAML: strict, and with the place of what is wrong. Reads files; decides nothing else."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from bench.load.checks import KEY, Checks
from bench.load.checks import WorkloadError as WorkloadError
from bench.load.workload import OPCODES, TestCase, Workload

#: where the workloads are that come with the project
WORKLOADS = Path(__file__).resolve().parents[1] / "workloads"


def parse_cases(text: str, *, source: str, folder: Path) -> list[TestCase]:
    """Read the test cases of a file.

    Args:
        text: YAML.
        source: how errors call the file.
        folder: that template paths start from.

    Raises:
        WorkloadError: unknown keys, wrong types, parameters and templates that are not there.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise WorkloadError(f"{source}: {error}") from error
    if not isinstance(data, list) or not data:
        raise WorkloadError(f"{source}: a list of test cases is expected")
    cases = [_case(item, f"{source}: [{number}]", folder) for number, item in enumerate(data)]
    _unique((case.name for case in cases), f"{source}: name")
    return cases


def _case(item: Any, place: str, folder: Path) -> TestCase:
    if isinstance(item, dict) and isinstance(item.get("name"), str):
        place = f"{place} {item['name']}"
    _check_opcodes(item, place)
    try:
        case = msgspec.convert(item, TestCase)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        raise WorkloadError(f"{place}: {path.rstrip('`').lstrip('.') or '(all of it)'}: {what}") from error
    _unique((variant.name for variant in case.workloads), f"{place}: workloads.name")
    Checks(case, place, folder).run()
    return case


def _check_opcodes(item: Any, place: str) -> None:
    """Say which opcodes there are: msgspec only says that one is wrong."""
    steps = item.get(KEY) if isinstance(item, dict) else None
    for number, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, dict) and step.get("opcode") not in OPCODES:
            raise WorkloadError(
                f"{place}: {KEY}[{number}].opcode: {step.get('opcode')!r} is none of {', '.join(OPCODES)}"
            )


def _unique(names: Iterable[str], place: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise WorkloadError(f'{place}: "{name}" is there twice')
        seen.add(name)


def read_workloads(paths: Sequence[Path] = ()) -> list[Workload]:
    """Read all workloads of some files (none: those that come with the project), in their order.

    Raises:
        WorkloadError: a file cannot be read, or used.
    """
    found: list[Workload] = []
    for path in paths or sorted(WORKLOADS.glob("*.yaml")):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WorkloadError(f"{path}: {error}") from error
        for case in parse_cases(text, source=path.name, folder=path.parent):
            found += [Workload(case, variant, str(path.parent)) for variant in case.workloads]
    _unique((workload.name for workload in found), "workloads")
    return found


def find_workload(name: str, workloads: Sequence[Workload]) -> Workload:
    """Return the workload CASE/VARIANT.

    Raises:
        WorkloadError: there is none; the text names those of the case, or the cases.
    """
    for workload in workloads:
        if workload.name == name:
            return workload
    case = name.partition("/")[0]
    of_case = [workload.name for workload in workloads if workload.case.name == case]
    known = of_case or list(dict.fromkeys(workload.case.name for workload in workloads))
    raise WorkloadError(
        f'there is no workload "{name}"; there {"are" if of_case else "are the cases"} {", ".join(known)}'
    )


def select(workloads: Sequence[Workload], label_filter: str) -> list[Workload]:
    """Return the workloads whose labels fit.

    `performance,-short` (as the reference's -perf-scheduling-label-filter).
    """
    terms = [term.strip() for term in label_filter.split(",") if term.strip()]
    return [
        workload
        for workload in workloads
        if all(
            (term[1:] not in workload.labels) if term[0] == "-" else (term.lstrip("+") in workload.labels)
            for term in terms
        )
    ]

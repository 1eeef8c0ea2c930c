"""Answers of the scheduler's service, for people: short for three nodes, grouped for five thousand."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from cli.printers.style import PLAIN, Paint
from cli.printers.table import Table, render_table
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.objects.manifest import write_json
from vaina.objects.plain import plain_values
from vaina.objects.times import format_time
from vaina.objects.yaml_text import write_yaml

#: nodes that get a line of their own in `fit`
LISTED: Final = 20
_OUTCOMES: Final = {
    "Scheduled": "green", "Unschedulable": "red", "BindingRefused": "yellow", "Error": "red", "Preempted": "yellow",
}  # fmt: skip


def render_explain(answer: pb.ExplainResponse, paint: Paint = PLAIN) -> str:
    """Write why a Pod is where it is, or what would be decided for it."""
    lines = [f"{paint('bold', answer.state)}: {answer.message}"]
    lines += _standby(answer.answered_by, paint)
    if answer.condition:
        lines += [f"Condition: {answer.condition}"]
    if answer.HasField("evaluation"):
        lines += ["", *_evaluation(answer.evaluation, paint)]
    shown = answer.decisions[:1] if answer.HasField("evaluation") else answer.decisions
    for decision in shown:
        lines += ["", *_decision(decision, paint, whole=not answer.HasField("evaluation"))]
    return "\n".join(lines) + "\n"


def _standby(answerer: pb.Answerer, paint: Paint) -> list[str]:
    if answerer.leading:
        return []
    leader = answerer.leader or "nobody, as far as it knows"
    words = f"answered by {answerer.identity}, which stands by; the leader is {leader}"
    return [paint("yellow", f"Note: {words}")]


def _evaluation(seen: pb.Evaluation, paint: Paint) -> list[str]:
    if not seen.nodes:
        return ["There are no nodes."]
    verdict = f"{seen.feasible:,} of {_count(seen.nodes, 'node')} would take it now"
    lines = [paint("green" if seen.feasible else "red", verdict) + (":" if seen.feasible else ".")]
    if seen.feasible:
        lines += _scores(seen.best, paint)
        if seen.feasible > len(seen.best):
            lines.append(f"  and {seen.feasible - len(seen.best):,} more")
        lines.append(_chosen(seen))
    if seen.reasons:
        lines += ["", "Refused:", *_reasons(seen.reasons)]
    if seen.refused:
        lines += [
            "",
            "What would make it fit, the nearest first:" if not seen.feasible else "What the others lack:",
        ]
        lines += [
            f"  {_who(group)}: {'; '.join(item.lack for item in group.refusals)}" for group in seen.refused
        ]
        if seen.more_groups:
            lines.append(f"  and {_count(seen.more_groups, 'more group')} of nodes")
    if seen.HasField("preemption"):
        lines += ["", f"Or by preemption: {_victims(seen.preemption)}."]
    return lines


def _chosen(seen: pb.Evaluation) -> str:
    if seen.tie_count == 1:
        return f"The best is {seen.ties[0]}."
    names = ", ".join(seen.ties)
    more = f" and {seen.tie_count - len(seen.ties):,} more" if seen.tie_count > len(seen.ties) else ""
    return f"The best are equal, one is chosen at random: {names}{more}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _who(group: pb.NodeGroup) -> str:
    if group.count == 1:
        return group.nodes[0]
    names = ", ".join(group.nodes)
    return f"{group.count:,} nodes ({names}{', ...' if group.count > len(group.nodes) else ''})"


def _reasons(reasons: Iterable[pb.ReasonCount]) -> list[str]:
    return [f"  {_count(item.nodes, 'node')}: {item.reason} ({item.plugin})" for item in reasons]


def _scores(nodes: Sequence[pb.NodeVerdict], paint: Paint) -> list[str]:
    plugins = list(dict.fromkeys(score.plugin for node in nodes for score in node.scores))
    rows: list[list[str]] = []
    for node in nodes:
        by_plugin = {score.plugin: score for score in node.scores}
        rows.append([node.node, str(node.total), *(_score(by_plugin.get(plugin)) for plugin in plugins)])
    text = render_table(Table(("NODE", "TOTAL", *plugins), rows), paint=paint)
    return [f"  {line}" for line in text.splitlines()]


def _score(score: pb.Score | None) -> str:
    if score is None:
        return "-"
    times = f"x{score.weight}" if score.weight != 1 else ""
    raw = f" (raw {score.raw})" if score.raw != score.normalised else ""
    return f"{score.normalised}{times}{raw}"


def _decision(decision: pb.Decision, paint: Paint, *, whole: bool) -> list[str]:
    when = format_time(decision.time, micro=True)
    outcome = paint(_OUTCOMES.get(decision.outcome, ""), decision.outcome)
    head = f"Decision {decision.number} at {when}: {outcome}"
    if decision.node:
        head += f" {decision.node}"
    head += f", attempt {decision.attempt}, {_seconds(decision.queue_seconds)} after it was queued"
    lines = [head]
    if decision.outcome == "Scheduled":
        lines.append(f"  {decision.feasible_nodes:,} of {_count(decision.evaluated_nodes, 'node')} fitted")
    if decision.message:
        lines.append(f"  {decision.message}")
    if decision.HasField("preemption"):
        lines.append(f"  {_victims(decision.preemption)}")
    if not whole:
        return lines
    if decision.HasField("detail"):
        return lines + _detail(decision.detail, paint)
    if decision.outcome in ("Scheduled", "Unschedulable"):
        lines.append("  no details were taken of it: there was too much to decide at once")
    return lines


def _detail(detail: pb.DecisionDetail, paint: Paint) -> list[str]:
    lines: list[str] = []
    if not detail.own:
        lines.append(f"  seen of an equal Pod at {format_time(detail.time, micro=True)}:")
    lines += _reasons(detail.reasons)
    if detail.best:
        lines += _scores(detail.best, paint)
        if detail.tie_count > 1:
            lines.append(f"  {detail.tie_count:,} nodes were equally good; one was chosen at random")
    return lines


def _victims(preemption: pb.Preemption) -> str:
    names = ", ".join(
        f"{item.namespace}/{item.name} (priority {item.priority})" for item in preemption.victims
    )
    more = preemption.victim_count - len(preemption.victims)
    return f"room on {preemption.node} by evicting {names}{f' and {more:,} more' if more > 0 else ''}"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def render_fit(answer: pb.FitResponse, name: str, paint: Paint = PLAIN) -> str:
    """Write how many copies of a Pod would fit, and where."""
    least = "at least " if answer.more else ""
    verb = "copy" if answer.copies == 1 else "copies"
    lines = [paint("bold", f"{least}{answer.copies:,} {verb} of {name} would fit now")]
    lines += _standby(answer.answered_by, paint)
    if answer.nodes:
        fullest = sorted(answer.nodes, key=lambda item: (-item.copies, item.node))
        rows = [(item.node, f"{item.copies:,}") for item in fullest[:LISTED]]
        lines.append(render_table(Table(("NODE", "COPIES"), rows), paint=paint).rstrip("\n"))
        if len(fullest) > LISTED:
            rest = sum(item.copies for item in fullest[LISTED:])
            lines.append(f"and {rest:,} on {_count(len(fullest) - LISTED, 'more node')}")
    if answer.message:
        lines.append(f"The {'next' if answer.copies else 'first'} one: {answer.message}")
    return "\n".join(lines) + "\n"


def render_verify(answer: pb.VerifyResponse, paint: Paint = PLAIN) -> str:
    """Write whether the columns are true."""
    by = answer.answered_by
    seen = f"{_count(answer.nodes, 'node')}, {_count(answer.pods, 'Pod')} ({answer.assumed:,} assumed), {answer.waiting:,} waiting"
    with_what = (
        "the apiserver's lists and the watches" if answer.against_apiserver else "what the watches brought"
    )
    lines = [
        f"{seen}; nodes up to version {by.nodes_version}, Pods up to version {by.pods_version}",
        *_standby(by, paint),
    ]
    if not answer.difference_count:
        lines.append(paint("green", f"The columns agree with {with_what}."))
        return "\n".join(lines) + "\n"
    lines.append(paint("red", f"{_count(answer.difference_count, 'difference')} from {with_what}:"))
    rows = [(item.subject, item.what, item.have, item.want) for item in answer.differences]
    lines.append(
        render_table(Table(("SUBJECT", "WHAT", "COLUMNS", "OBJECTS"), rows), paint=paint).rstrip("\n")
    )
    if answer.difference_count > len(rows):
        lines.append(f"and {answer.difference_count - len(rows):,} more")
    return "\n".join(lines) + "\n"


def render_decisions(answer: pb.ListDecisionsResponse, paint: Paint = PLAIN) -> str:
    """Write past decisions as a table, newest first."""
    rows: list[list[Any]] = [
        [
            str(item.number), format_time(item.time, micro=True), f"{item.namespace}/{item.name}", item.outcome,
            item.node or "<none>", str(item.attempt), _seconds(item.queue_seconds),
            f"{item.feasible_nodes}/{item.evaluated_nodes}", item.message,
        ]
        for item in answer.decisions
    ]  # fmt: skip
    headers = ("NUMBER", "TIME", "POD", "OUTCOME", "NODE", "ATTEMPT", "QUEUED", "FIT", "MESSAGE")
    table = Table(headers, rows, {"OUTCOME": lambda cell: _OUTCOMES.get(cell, "")})
    text = render_table(table, paint=paint)
    notes = _standby(answer.answered_by, paint)
    if not rows:
        notes.append(f"No such decision among the last {answer.kept:,} of {answer.recorded:,}.")
        text = ""
    return text + "".join(f"{note}\n" for note in notes)


def write_answers(answers: list[Message], output: str) -> str:
    """Write answers as JSON (several as a list) or YAML (several as documents)."""
    values = [plain_values(answer) for answer in answers]
    if output == "yaml":
        return "---\n".join(write_yaml(value) for value in values)
    return write_json(values[0] if len(values) == 1 else values, indent=4) + "\n"

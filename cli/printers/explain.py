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
from vaina.texts import ENGLISH, Language

#: nodes that get a line of their own in `fit`
LISTED: Final = 20
_OUTCOMES: Final = {
    "Scheduled": "green", "Unschedulable": "red", "BindingRefused": "yellow", "Error": "red", "Preempted": "yellow",
}  # fmt: skip


def render_explain(answer: pb.ExplainResponse, paint: Paint = PLAIN, language: Language = ENGLISH) -> str:
    """Write why a Pod is where it is, or what would be decided for it."""
    lines = [f"{paint('bold', answer.state)}: {answer.message}"]
    lines += _standby(answer.answered_by, paint, language)
    if answer.condition:
        lines += [language("Condition: {message}", message=answer.condition)]
    if answer.HasField("evaluation"):
        lines += ["", *_evaluation(answer.evaluation, paint, language)]
    shown = answer.decisions[:1] if answer.HasField("evaluation") else answer.decisions
    for decision in shown:
        lines += ["", *_decision(decision, paint, language, whole=not answer.HasField("evaluation"))]
    return "\n".join(lines) + "\n"


def _standby(answerer: pb.Answerer, paint: Paint, language: Language) -> list[str]:
    if answerer.leading:
        return []
    leader = answerer.leader or language("nobody, as far as it knows")
    words = language(
        "Note: answered by {who}, which stands by; the leader is {leader}",
        who=answerer.identity,
        leader=leader,
    )
    return [paint("yellow", words)]


def _evaluation(seen: pb.Evaluation, paint: Paint, language: Language) -> list[str]:
    if not seen.nodes:
        return [language("There are no nodes.")]
    verdict = language.count(
        "{feasible} of {count} node would take it now", "{feasible} of {count} nodes would take it now",
        seen.nodes, feasible=f"{seen.feasible:,}",
    )  # fmt: skip
    lines = [paint("green" if seen.feasible else "red", verdict) + (":" if seen.feasible else ".")]
    if seen.feasible:
        lines += _scores(seen.best, paint, language)
        if seen.feasible > len(seen.best):
            more = f"{seen.feasible - len(seen.best):,}"
            lines.append(f"  {language('and {number} more', number=more)}")
        lines.append(_chosen(seen, language))
    if seen.reasons:
        lines += ["", language("Refused:"), *_reasons(seen.reasons, language)]
    if seen.refused:
        lines += [
            "",
            language("What would make it fit, the nearest first:")
            if not seen.feasible
            else language("What the others lack:"),
        ]
        lines += [
            f"  {_who(group, language)}: {'; '.join(item.lack for item in group.refusals)}"
            for group in seen.refused
        ]
        if seen.more_groups:
            more = language.count(
                "and {count} more group of nodes", "and {count} more groups of nodes", seen.more_groups
            )
            lines.append(f"  {more}")
    if seen.HasField("preemption"):
        lines += ["", language("Or by preemption: {room}.", room=_victims(seen.preemption, language))]
    return lines


def _chosen(seen: pb.Evaluation, language: Language) -> str:
    if seen.tie_count == 1:
        return language("The best is {node}.", node=seen.ties[0])
    names = ", ".join(seen.ties)
    if seen.tie_count > len(seen.ties):
        names = language(
            "{names} and {number} more", names=names, number=f"{seen.tie_count - len(seen.ties):,}"
        )
    return language("The best are equal, one is chosen at random: {names}.", names=names)


def _who(group: pb.NodeGroup, language: Language) -> str:
    if group.count == 1:
        return group.nodes[0]
    names = ", ".join(group.nodes)
    shown = f"{names}{', ...' if group.count > len(group.nodes) else ''}"
    return language("{number} nodes ({names})", number=f"{group.count:,}", names=shown)


def _reasons(reasons: Iterable[pb.ReasonCount], language: Language) -> list[str]:
    return [
        f"  {language.count('{count} node', '{count} nodes', item.nodes)}: {item.reason} ({item.plugin})"
        for item in reasons
    ]


def _scores(nodes: Sequence[pb.NodeVerdict], paint: Paint, language: Language) -> list[str]:
    plugins = list(dict.fromkeys(score.plugin for node in nodes for score in node.scores))
    rows: list[list[str]] = []
    for node in nodes:
        by_plugin = {score.plugin: score for score in node.scores}
        rows.append([node.node, str(node.total), *(_score(by_plugin.get(plugin)) for plugin in plugins)])
    text = render_table(Table((language("NODE"), "TOTAL", *plugins), rows), paint=paint)
    return [f"  {line}" for line in text.splitlines()]


def _score(score: pb.Score | None) -> str:
    if score is None:
        return "-"
    times = f"x{score.weight}" if score.weight != 1 else ""
    raw = f" (raw {score.raw})" if score.raw != score.normalised else ""
    return f"{score.normalised}{times}{raw}"


def _decision(decision: pb.Decision, paint: Paint, language: Language, *, whole: bool) -> list[str]:
    when = format_time(decision.time, micro=True)
    outcome = paint(_OUTCOMES.get(decision.outcome, ""), decision.outcome)
    head = language(
        "Decision {number} at {time}: {outcome}, attempt {attempt}, {delay} after it was queued",
        number=decision.number, time=when, outcome=f"{outcome} {decision.node}".rstrip(),
        attempt=decision.attempt, delay=_seconds(decision.queue_seconds),
    )  # fmt: skip
    lines = [head]
    if decision.outcome == "Scheduled":
        fitted = language.count(
            "{fitting} of {count} node fitted", "{fitting} of {count} nodes fitted", decision.evaluated_nodes,
            fitting=f"{decision.feasible_nodes:,}",
        )  # fmt: skip
        lines.append(f"  {fitted}")
    if decision.message:
        lines.append(f"  {decision.message}")
    if decision.HasField("preemption"):
        lines.append(f"  {_victims(decision.preemption, language)}")
    if not whole:
        return lines
    if decision.HasField("detail"):
        return lines + _detail(decision.detail, paint, language)
    if decision.outcome in ("Scheduled", "Unschedulable"):
        lines.append(f"  {language('no details were taken of it: there was too much to decide at once')}")
    return lines


def _detail(detail: pb.DecisionDetail, paint: Paint, language: Language) -> list[str]:
    lines: list[str] = []
    if not detail.own:
        when = format_time(detail.time, micro=True)
        lines.append(f"  {language('seen of an equal Pod at {time}:', time=when)}")
    lines += _reasons(detail.reasons, language)
    if detail.best:
        lines += _scores(detail.best, paint, language)
        if detail.tie_count > 1:
            equal = language(
                "{number} nodes were equally good; one was chosen at random", number=f"{detail.tie_count:,}"
            )
            lines.append(f"  {equal}")
    return lines


def _victims(preemption: pb.Preemption, language: Language) -> str:
    names = ", ".join(
        language("{pod} (priority {priority})", pod=f"{item.namespace}/{item.name}", priority=item.priority)
        for item in preemption.victims
    )
    more = preemption.victim_count - len(preemption.victims)
    if more > 0:
        names = language("{names} and {number} more", names=names, number=f"{more:,}")
    return language("room on {node} by evicting {names}", node=preemption.node, names=names)


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def render_fit(answer: pb.FitResponse, name: str, paint: Paint = PLAIN, language: Language = ENGLISH) -> str:
    """Write how many copies of a Pod would fit, and where."""
    head = (
        language.count(
            "at least {count} copy of {name} would fit now", "at least {count} copies of {name} would fit now",
            answer.copies, name=name,
        )
        if answer.more
        else language.count(
            "{count} copy of {name} would fit now", "{count} copies of {name} would fit now", answer.copies,
            name=name,
        )
    )  # fmt: skip
    lines = [paint("bold", head), *_standby(answer.answered_by, paint, language)]
    if answer.nodes:
        fullest = sorted(answer.nodes, key=lambda item: (-item.copies, item.node))
        rows = [(item.node, f"{item.copies:,}") for item in fullest[:LISTED]]
        lines.append(
            render_table(Table((language("NODE"), language("COPIES")), rows), paint=paint).rstrip("\n")
        )
        if len(fullest) > LISTED:
            rest = sum(item.copies for item in fullest[LISTED:])
            more = language.count(
                "and {rest} on {count} more node", "and {rest} on {count} more nodes", len(fullest) - LISTED,
                rest=f"{rest:,}",
            )  # fmt: skip
            lines.append(more)
    if answer.message:
        lines.append(
            language("The next one: {message}", message=answer.message)
            if answer.copies
            else language("The first one: {message}", message=answer.message)
        )
    return "\n".join(lines) + "\n"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def render_verify(answer: pb.VerifyResponse, paint: Paint = PLAIN) -> str:
    """Write whether the columns are true."""
    by = answer.answered_by
    seen = f"{_count(answer.nodes, 'node')}, {_count(answer.pods, 'Pod')} ({answer.assumed:,} assumed), {answer.waiting:,} waiting"
    with_what = (
        "the apiserver's lists and the watches" if answer.against_apiserver else "what the watches brought"
    )
    lines = [
        f"{seen}; nodes up to version {by.nodes_version}, Pods up to version {by.pods_version}",
        *_standby(by, paint, ENGLISH),
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
    notes = _standby(answer.answered_by, paint, ENGLISH)
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

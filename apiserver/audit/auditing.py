"""Writes what each call asked for, and what came of it, to the audit log.

Wraps every method outside flow control, so that what is refused for want of room is there too. What a call asks
for is what its handler asked authorization (`RequestContext.authorized`); a call that was refused before that is
known by its method alone. A batch, and a text of manifests, has an event for each namespace, or object, that
authorization was asked about.

Nobody who calls can switch it off: the policy is a file that is read at the start, ids are made here, and there
is no stage RequestReceived, for what is asked for is known only when the request is read.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter

from apiserver.audit import events
from apiserver.audit.events import Call, Outcome, Stage
from apiserver.audit.log import BLOCKING_STRICT, AuditLog, LogFile
from apiserver.audit.policy import (
    PANIC,
    RESPONSE_COMPLETE,
    RESPONSE_STARTED,
    Level,
    Policy,
    read_policy,
)
from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Verdict
from apiserver.authorization.checks import forbidden
from apiserver.authorization.methods import PER_DOCUMENT, Action, action_of
from apiserver.config import ApiserverConfig
from vaina.clock import Clock
from vaina.config import ConfigError
from vaina.errors import ApiError
from vaina.serving.handlers import UNARY, Audited, Method, RequestContext

#: context, question, code and refusal of a request that the REST API answered without a handler
OnTold = Callable[[RequestContext, Attributes, int, ApiError | None], None]
_CANCELLED: Final = Outcome(504, None, "context canceled")
_OK, _CREATED = Outcome(200), Outcome(201)


class Auditing:
    """The audit of one apiserver. Owned by one event loop."""

    def __init__(
        self,
        policy: Policy,
        audit_log: AuditLog,
        clock: Clock,
        new_id: Callable[[], str],
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._policy, self._log, self._clock, self._new_id = policy, audit_log, clock, new_id
        counter = Counter(
            "apiserver_audit_level", "Counter of policy levels for audit events (1 per request).", ("level",),
            registry=registry,
        )  # fmt: skip
        self._levels = {level: counter.labels(level.word) for level in Level}

    async def run(self) -> None:
        """Write the log until cancelled."""
        await self._log.run()

    def unauthorized(self, path: str, rpc: RequestContext, error: ApiError) -> None:
        """Write a call that came to no handler: its caller is not known, or counts no more."""
        of = self._of(path)
        if not of.policy.may_concern(rpc.caller, of.action):
            return
        if not self._log.has_room:
            # Such a call waits for nothing: a flood of them must not take the room of calls that have waited.
            self._log.lose()
            return
        self._end(self._begin(path, rpc), rpc, of, error)

    def told(self, rpc: RequestContext, asked: Attributes, code: int, error: ApiError | None) -> None:
        """Write a request that the REST API answered without a handler.

        It was of no resource, or refused before; `asked` is what it asked for, unless authorization was asked.
        """
        if not rpc.authorized:
            rpc.authorized.append((asked, None))
        of = _Of(None, self._policy)
        if not of.policy.may_concern(rpc.caller, None):
            return
        if not self._log.has_room:
            self._log.lose()
            return
        self._end(self._begin("", rpc), rpc, of, Outcome(code, error) if error is None else error)

    def wrap(self, handlers: Mapping[str, Method]) -> dict[str, Method]:
        return {
            path: Method(method.kind, (self._unary if method.kind is UNARY else self._stream)(path, method))
            for path, method in handlers.items()
        }

    def _unary(self, path: str, method: Method) -> Callable[[bytes, RequestContext], Any]:
        fn, of = method.fn, self._of(path)
        good = _CREATED if of.action is not None and of.action.verb == "create" else _OK

        async def unary(data: bytes, rpc: RequestContext) -> bytes:
            if not of.policy.may_concern(rpc.caller, of.action):
                self._levels[Level.NONE].inc()
                answer: bytes = await fn(data, rpc)
                return answer
            call = self._begin(path, rpc, data)
            await self._log.wait_for_room()
            try:
                answer = await fn(data, rpc)
            except BaseException as error:
                self._end(call, rpc, of, error)
                raise
            call.answer = answer
            self._end(call, rpc, of, good)
            return answer

        return unary

    def _stream(self, path: str, method: Method) -> Callable[[Any, RequestContext], AsyncIterator[bytes]]:
        fn, of = method.fn, self._of(path)

        async def stream(request: Any, rpc: RequestContext) -> AsyncIterator[bytes]:
            if not of.policy.may_concern(rpc.caller, of.action):
                self._levels[Level.NONE].inc()
                async with aclosing(fn(request, rpc)) as answers:
                    async for answer in answers:
                        yield answer
                return
            call = self._begin(path, rpc)
            await self._log.wait_for_room()
            rpc.authorized = _Told(lambda: self._write(call, rpc, of, RESPONSE_STARTED, _OK))
            ended: BaseException | Outcome = _OK
            try:
                async with aclosing(fn(request, rpc)) as answers:
                    async for answer in answers:
                        yield answer
            except (GeneratorExit, asyncio.CancelledError):
                # The client has heard enough, or its time is over.
                raise
            except BaseException as error:
                ended = error
                raise
            finally:
                self._end(call, rpc, of, ended)

        return stream

    def _of(self, path: str) -> "_Of":
        if path in PER_DOCUMENT:
            return _Of(None, self._policy)
        action = action_of(path)
        return _Of(action, self._policy.for_calls_of(action))

    def _begin(self, path: str, rpc: RequestContext, request: bytes = b"") -> Call:
        rpc.audited = Audited()
        agent: str | bytes = ""
        for name, value in rpc.metadata:
            if name == "user-agent":
                agent = value
                break
        return Call(
            path,
            self._new_id(),
            rpc.peer,
            agent if isinstance(agent, str) else "",
            self._clock.now(),
            request,
            uri=rpc.uri or path,
            sender=rpc.sender,
            constraint=rpc.constraint,
        )

    def _end(self, call: Call, rpc: RequestContext, of: "_Of", ended: BaseException | Outcome) -> None:
        stage = RESPONSE_COMPLETE
        match ended:
            case Outcome():
                outcome = ended
            case ApiError():
                outcome = Outcome(ended.code, ended)
            case asyncio.CancelledError() | TimeoutError():
                outcome = _CANCELLED
            case _:
                stage, outcome = PANIC, Outcome(500, None, f"APIServer panic'd: {type(ended).__name__}")
        self._write(call, rpc, of, stage, outcome)

    def _write(self, call: Call, rpc: RequestContext, of: "_Of", stage: str, outcome: Outcome) -> None:
        """Write one stage of a call: an event for each thing that authorization was asked."""
        audited, now = rpc.audited or Audited(), self._clock.now()
        counts = stage != RESPONSE_STARTED
        for question, verdict, (name, refused) in _asked(call.path, rpc, of.action, audited):
            # Some calls ask for more than what their method is about.
            policy = of.policy if of.is_about(question) else self._policy
            auditing = policy.of(question._replace(user=rpc.caller))
            if counts:
                self._levels[auditing.level].inc()
                counts = False
            if auditing.level is Level.NONE or stage in auditing.omit_stages:
                continue
            why = refused
            if verdict is not None and not verdict.is_allowed:
                why = forbidden(question, verdict.reason)
            came_of = outcome if why is None else Outcome(why.code, why)
            named = question if question.name else question._replace(name=name)
            where = Stage(stage, now, came_of)
            self._log.append(events.line(call, named, verdict, auditing, where, audited))


class _Of(NamedTuple):
    """What is known of a method before it is called."""

    #: what it asks for; None: its requests say
    action: Action | None
    #: the rules that may match its calls
    policy: Policy

    def is_about(self, question: Attributes) -> bool:
        return self.action is not None and question[1:4] == self.action[:3]


def _asked(
    path: str, rpc: RequestContext, action: Action | None, audited: Audited
) -> Iterable[tuple[Attributes, Verdict | None, tuple[str, ApiError | None]]]:
    """Return what authorization was asked for a call, and what it said; with name and refusal of documents.

    Who was refused before authorization was asked is known by the method alone.
    """
    if not rpc.authorized:
        verb, group, resource, subresource, _, other = action or Action("post", path=path)
        return [(Attributes(rpc.user, verb, group, resource, subresource, path=other), None, ("", None))]
    found: dict[tuple[Attributes, str], tuple[Verdict, ApiError | None]] = {}
    for place, (question, verdict) in enumerate(rpc.authorized):
        name, refused = audited.documents.get(place, ("", None))
        found[question, name] = (verdict, refused)
    return [(question, verdict, (name, refused)) for (question, name), (verdict, refused) in found.items()]


def make_ids(rng: Random) -> Callable[[], str]:
    """Return what makes ids of requests: uuids that nobody need guess, at a fifth of the price of uuid4."""

    def new_id() -> str:
        text = f"{rng.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    return new_id


def open_auditing(config: ApiserverConfig, clock: Clock, registry: CollectorRegistry) -> Auditing | None:
    """Return the audit that a configuration asks for; None: none. Raises ConfigError."""
    if not config.audit_policy_file and not config.audit_log_path:
        return None
    if not config.audit_policy_file or not config.audit_log_path:
        raise ConfigError(
            "audit_policy_file and audit_log_path are wanted together: nothing is audited without both"
        )
    policy = read_policy(Path(config.audit_policy_file))
    try:
        file = LogFile(
            config.audit_log_path, clock, max_megabytes=config.audit_log_maxsize,
            max_backups=config.audit_log_maxbackup, max_days=config.audit_log_maxage,
        )  # fmt: skip
    except OSError as error:
        raise ConfigError(f"audit_log_path: {error}") from error
    audit_log = AuditLog(file, clock, registry, strict=config.audit_log_mode == BLOCKING_STRICT)
    return Auditing(policy, audit_log, clock, make_ids(Random(SystemRandom().getrandbits(128))), registry)  # noqa: S311 - no secret


class _Told(list[tuple[Any, Any]]):
    """What a stream asks authorization. It is told at once: a watch may say nothing for an hour."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, item: tuple[Any, Any]) -> None:
        super().append(item)
        _, verdict = item
        if verdict.is_allowed:
            self._tell()

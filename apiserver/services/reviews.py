"""Access reviews: may somebody do something, what may the caller do, who is the caller. Answered, never stored.

Follows `pkg/registry/authorization`, `pkg/registry/authentication/selfsubjectreview` and
`pkg/apis/authorization/validation`.
"""

from collections.abc import Sequence
from typing import Any, Final

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Authorizer, Decision
from apiserver.authorization.checks import Checks
from apiserver.authorization.rbac.roles import Roles
from apiserver.services.requests import context_of
from vaina.api.authentication.v1 import authentication_pb2, authentication_service_pb2
from vaina.api.authorization.v1 import authorization_pb2, authorization_service_pb2
from vaina.clock import Clock, timestamp
from vaina.errors import BadRequest, FieldError, Invalid
from vaina.objects import field_path
from vaina.objects.identities import is_node
from vaina.objects.normalise import normalise
from vaina.objects.rules import FULL_AUTHORITY, Rule
from vaina.serving.handlers import Method, RequestContext, User, typed

GROUP: Final = "authorization.k8s.io"
_NODE_RULES: Final = "node authorizer does not support user rule resolution"


def review_handlers(
    authorizer: Authorizer, roles: Roles | None, checks: Checks, clock: Clock
) -> dict[str, Method]:
    """Return the methods by full path. Without roles everybody has every right."""
    reviews = _Reviews(authorizer, roles, checks, clock)
    service = authorization_service_pb2
    return {
        _path("SubjectAccessReview"): typed(reviews.subject, service.CreateSubjectAccessReviewRequest),
        _path("LocalSubjectAccessReview"): typed(
            reviews.local, service.CreateLocalSubjectAccessReviewRequest
        ),
        _path("SelfSubjectAccessReview"): typed(
            reviews.self_subject, service.CreateSelfSubjectAccessReviewRequest
        ),
        _path("SelfSubjectRulesReview"): typed(reviews.rules, service.CreateSelfSubjectRulesReviewRequest),
        _path("SelfSubjectReview", "authentication"): typed(
            reviews.who, authentication_service_pb2.CreateSelfSubjectReviewRequest
        ),
    }


def _path(kind: str, group: str = "authorization") -> str:
    return f"/vaina.api.{group}.v1.{kind}Service/Create"


class _Reviews:
    def __init__(self, authorizer: Authorizer, roles: Roles | None, checks: Checks, clock: Clock) -> None:
        self._authorizer, self._roles, self._clock = authorizer, roles, clock
        kinds = (
            "SubjectAccessReview",
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
        )
        self._may = {kind: checks.of(_path(kind)) for kind in kinds}
        self._may["SelfSubjectReview"] = checks.of(_path("SelfSubjectReview", "authentication"))

    async def subject(self, request: Any, rpc: RequestContext) -> authorization_pb2.SubjectAccessReview:
        review: authorization_pb2.SubjectAccessReview = request.object
        self._begin("SubjectAccessReview", request, rpc)
        errors = [*_check_spec(review.spec), *_check_somebody(review.spec), *_check_metadata(review.metadata)]
        self._answer(review, errors, _asked_about(review.spec))
        return review

    async def local(self, request: Any, rpc: RequestContext) -> authorization_pb2.LocalSubjectAccessReview:
        review: authorization_pb2.LocalSubjectAccessReview = request.object
        namespace, spec = review.metadata.namespace, review.spec
        self._begin("LocalSubjectAccessReview", request, rpc, namespace)
        if not namespace:
            raise BadRequest(f"namespace is required on this type: {namespace}")
        errors = [*_check_spec(spec), *_check_somebody(spec), *_check_metadata(review.metadata, local=True)]
        path = field_path.Path("spec")
        if spec.HasField("resource_attributes") and spec.resource_attributes.namespace != namespace:
            place = path.child("resourceAttributes", "namespace")
            found = spec.resource_attributes.namespace
            errors.append(field_path.invalid(place, found, "must match metadata.namespace"))
        if spec.HasField("non_resource_attributes"):
            place = path.child("nonResourceAttributes")
            words = "disallowed on this kind of request"
            errors.append(field_path.invalid(place, spec.non_resource_attributes, words))
        self._answer(review, errors, _asked_about(spec))
        return review

    async def self_subject(
        self, request: Any, rpc: RequestContext
    ) -> authorization_pb2.SelfSubjectAccessReview:
        review: authorization_pb2.SelfSubjectAccessReview = request.object
        self._begin("SelfSubjectAccessReview", request, rpc)
        self._answer(review, [*_check_spec(review.spec), *_check_metadata(review.metadata)], rpc.user)
        return review

    async def rules(self, request: Any, rpc: RequestContext) -> authorization_pb2.SelfSubjectRulesReview:
        namespace: str = request.object.spec.namespace
        self._begin("SelfSubjectRulesReview", request, rpc)
        if not namespace:
            raise BadRequest("no namespace on request")
        found: Sequence[Rule] = FULL_AUTHORITY
        errors: list[str] = []
        if self._roles is not None:
            found, errors = self._roles.rules_for(rpc.user, namespace)
        answer = authorization_pb2.SelfSubjectRulesReview()
        status = answer.status
        for rule in found:
            if rule.urls:
                status.non_resource_rules.add(verbs=rule.verbs, non_resource_urls=rule.urls)
            else:
                status.resource_rules.add(
                    verbs=rule.verbs,
                    api_groups=rule.groups,
                    resources=rule.resources,
                    resource_names=rule.names,
                )
        if is_node(rpc.user.name, rpc.user.groups):
            status.incomplete = True
            errors.append(_NODE_RULES)
        status.evaluation_error = ", ".join(errors)
        return answer

    async def who(self, request: Any, rpc: RequestContext) -> authentication_pb2.SelfSubjectReview:
        self._begin("SelfSubjectReview", request, rpc)
        answer = authentication_pb2.SelfSubjectReview()
        answer.metadata.creation_timestamp.CopyFrom(timestamp(int(self._clock.now())))
        write_user(answer.status.user_info, rpc.user)
        return answer

    def _begin(self, kind: str, request: Any, rpc: RequestContext, namespace: str = "") -> None:
        """Ask whether the caller may ask, read the options, and bring the review into its normal form.

        Raises Forbidden, Invalid.
        """
        self._may[kind](rpc, namespace)
        context_of(rpc, "create", request.options)
        # Programs in Go send an empty creationTimestamp.
        normalise(request.object)

    def _answer(self, review: Any, errors: Sequence[FieldError], user: User) -> None:
        """Write the verdict into a review. Raises Invalid."""
        if errors:
            raise Invalid.of(review.DESCRIPTOR.name, "", errors, group=GROUP)
        verdict = self._authorizer.authorize(_question(review.spec, user))
        review.ClearField("status")
        review.status.allowed = verdict.is_allowed
        review.status.denied = verdict.decision is Decision.DENY
        review.status.reason = verdict.reason


def write_user(info: authentication_pb2.UserInfo, user: User) -> None:
    """Write who somebody is into an answer."""
    info.username, info.uid = user.name, user.uid
    info.groups.extend(user.groups)
    for name, values in user.extra:
        info.extra[name].items.extend(values)


def _asked_about(spec: Any) -> User:
    """Return the user that a review names."""
    extra = tuple((name, tuple(spec.extra[name].items)) for name in sorted(spec.extra))
    return User(spec.user, tuple(spec.groups), spec.uid, extra)


def _question(spec: Any, user: User) -> Attributes:
    if spec.HasField("non_resource_attributes"):
        asked = spec.non_resource_attributes
        return Attributes(user, asked.verb, path=asked.path)
    asked = spec.resource_attributes
    return Attributes(
        user, asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace, asked.name,
        field_selector=asked.field_selector.raw_selector, label_selector=asked.label_selector.raw_selector,
    )  # fmt: skip


def _check_spec(spec: Any) -> list[FieldError]:
    path = field_path.Path("spec")
    has_resource, has_other = spec.HasField("resource_attributes"), spec.HasField("non_resource_attributes")
    if has_resource and has_other:
        words = "cannot be specified in combination with resourceAttributes"
        return [field_path.invalid(path.child("nonResourceAttributes"), spec.non_resource_attributes, words)]
    if not has_resource and not has_other:
        words = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [field_path.invalid(path.child("resourceAttributes"), None, words)]
    return []


def _check_somebody(spec: Any) -> list[FieldError]:
    if spec.user or spec.groups:
        return []
    words = "at least one of user or group must be specified"
    return [field_path.invalid(field_path.Path("spec", "user"), spec.user, words)]


def _check_metadata(meta: Any, *, local: bool = False) -> list[FieldError]:
    """A review has no name; a local one has its namespace."""
    left = type(meta)()
    left.CopyFrom(meta)
    left.ClearField("managed_fields")
    if local:
        left.ClearField("namespace")
    if not left.ByteSize():
        return []
    words = "must be empty except for namespace" if local else "must be empty"
    return [field_path.invalid(field_path.Path("metadata"), meta, words)]

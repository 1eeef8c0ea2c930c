"""Tokens: TokenRequest, which makes one of a ServiceAccount, and TokenReview, which says whose one is.

Follows `pkg/registry/core/serviceaccount/storage/token.go` and `pkg/registry/authentication/tokenreview`.
"""

from typing import Final

from apiserver.admission.node_restriction import NodeRestriction
from apiserver.authorization.checks import Checks
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.token_requests import TokenRequests
from apiserver.services.requests import context_of
from apiserver.services.reviews import write_user
from apiserver.tokens.interface import TokenReviewer
from vaina.api.authentication.v1 import authentication_pb2, authentication_service_pb2
from vaina.api.core.v1 import service_account_service_pb2
from vaina.errors import BadRequest, Unauthorized
from vaina.kinds import SERVICE_ACCOUNT
from vaina.serving.handlers import Method, RequestContext, typed

_REVIEW: Final = "/vaina.api.authentication.v1.TokenReviewService/Create"


def token_handlers(
    requests: TokenRequests, reviewer: TokenReviewer, restriction: NodeRestriction, checks: Checks
) -> dict[str, Method]:
    """Return the methods by full path."""
    path = SERVICE_ACCOUNT.method("CreateToken")
    may_request, may_review = checks.of(path), checks.of(_REVIEW)

    async def create(
        request: service_account_service_pb2.CreateTokenRequest, rpc: RequestContext
    ) -> authentication_pb2.TokenRequest:
        meta = request.object.metadata
        namespace, name = meta.namespace or DEFAULT_NAMESPACE, meta.name
        may_request(rpc, namespace, name)
        ctx = context_of(rpc, "create", request.options)
        await restriction.check_token(ctx, namespace, name, request.object.spec)
        return await requests.create(namespace, name, request.object, warn=ctx.warn, annotate=ctx.annotate)

    async def review(
        request: authentication_service_pb2.CreateTokenReviewRequest, rpc: RequestContext
    ) -> authentication_pb2.TokenReview:
        may_review(rpc)
        context_of(rpc, "create", request.options)
        asked = request.object
        if not asked.spec.token:
            raise BadRequest("token is required for TokenReview in authentication")
        asked.ClearField("status")
        try:
            found = await reviewer.review(asked.spec.token, tuple(asked.spec.audiences))
        except Unauthorized as error:
            asked.status.error = error.message
            return asked
        asked.status.authenticated = True
        asked.status.audiences.extend(found.audiences)
        write_user(asked.status.user, found.user)
        return asked

    return {
        path: typed(create, service_account_service_pb2.CreateTokenRequest),
        _REVIEW: typed(review, authentication_service_pb2.CreateTokenReviewRequest),
    }

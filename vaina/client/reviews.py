"""Access reviews: asks the apiserver who may do what, and who the caller is. It stores none of them."""

from typing import TypeVar

from google.protobuf.message import Message

from vaina.api.authentication.v1 import authentication_pb2, authentication_service_pb2
from vaina.api.authorization.v1 import authorization_pb2, authorization_service_pb2
from vaina.client.transport import Transport
from vaina.serving.delegated import VERB
from vaina.serving.handlers import User

A = TypeVar("A", bound=Message)


class Reviews:
    """The reviews of one connection. Its methods raise ApiErrors."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def may_i(
        self, asked: authorization_pb2.ResourceAttributes | authorization_pb2.NonResourceAttributes
    ) -> authorization_pb2.SubjectAccessReviewStatus:
        """Say whether the caller may do something."""
        request = authorization_service_pb2.CreateSelfSubjectAccessReviewRequest()
        if isinstance(asked, authorization_pb2.ResourceAttributes):
            request.object.spec.resource_attributes.CopyFrom(asked)
        else:
            request.object.spec.non_resource_attributes.CopyFrom(asked)
        answer = await self._create("authorization", request, authorization_pb2.SelfSubjectAccessReview)
        return answer.status

    async def may_they(
        self, asked: authorization_pb2.SubjectAccessReviewSpec, *, namespace: str = "", name: str = ""
    ) -> authorization_pb2.SubjectAccessReviewStatus:
        """Say whether a user may do something; with a namespace by a LocalSubjectAccessReview in it."""
        service = authorization_service_pb2
        if namespace:
            local = service.CreateLocalSubjectAccessReviewRequest()
            local.object.metadata.namespace = namespace
            local.object.spec.CopyFrom(asked)
            found = await self._create("authorization", local, authorization_pb2.LocalSubjectAccessReview)
            return found.status
        request = service.CreateSubjectAccessReviewRequest()
        request.object.metadata.name = name
        request.object.spec.CopyFrom(asked)
        answer = await self._create("authorization", request, authorization_pb2.SubjectAccessReview)
        return answer.status

    async def may_call(self, user: User, path: str) -> bool:
        """Say whether a user may call a method of a component's own service."""
        asked = authorization_pb2.SubjectAccessReviewSpec(user=user.name, groups=user.groups)
        asked.non_resource_attributes.path, asked.non_resource_attributes.verb = path, VERB
        return (await self.may_they(asked)).allowed

    async def my_rules(self, namespace: str) -> authorization_pb2.SubjectRulesReviewStatus:
        """Return what the caller may do in a namespace."""
        request = authorization_service_pb2.CreateSelfSubjectRulesReviewRequest()
        request.object.spec.namespace = namespace
        answer = await self._create("authorization", request, authorization_pb2.SelfSubjectRulesReview)
        return answer.status

    async def who_am_i(self) -> authentication_pb2.SelfSubjectReview:
        """Return the name and the groups by which the apiserver knows the caller."""
        request = authentication_service_pb2.CreateSelfSubjectReviewRequest()
        return await self._create("authentication", request, authentication_pb2.SelfSubjectReview)

    async def _create(self, group: str, request: Message, answer: type[A]) -> A:
        path = f"/vaina.api.{group}.v1.{answer.DESCRIPTOR.name}Service/Create"
        return answer.FromString(await self._transport.unary(path, request.SerializeToString()))

"""The REST API: Kubernetes' HTTP API as a translation to the handlers of gRPC.

A request becomes a gRPC method path and request bytes, is answered by the same handlers, and the answer is
written in the form that the client asked for. Nothing below this package knows HTTP; nothing in it knows
storage or registry. `apiserver.process.run` imports it where `rest_listen` is configured.
"""

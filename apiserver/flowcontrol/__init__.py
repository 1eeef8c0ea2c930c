"""How much is answered at once, and whose turn it is: seats, fair queues, bounds of streams (decision 032).

Kubernetes' API Priority and Fairness is the model (KEP-1040; apiserver `pkg/util/flowcontrol`): priority
levels with seats of their own, flow schemas that say which request belongs where, fair queues between
clients, and its metrics.
"""

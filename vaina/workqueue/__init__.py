"""Work queues with client-go's semantics: a key once, never two workers on one key, back-off per key."""

from vaina.workqueue.rate_limiting import RateLimitingQueue, ShutDown

__all__ = ["RateLimitingQueue", "ShutDown"]

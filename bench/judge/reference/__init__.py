"""A plain scheduler to judge ours by, written from the documentation of kube-scheduler's plugins, a rule a
class.

Slow, and meant to be read. It shares nothing with `scheduler/`: neither columns, nor classes of Pods, nor
what was found before.
"""

from bench.judge.reference.scheduler import ReferenceScheduler, Verdict
from bench.judge.reference.world import World

__all__ = ["ReferenceScheduler", "Verdict", "World"]

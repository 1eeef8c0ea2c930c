"""Finalizers of claims that a Pod uses, and of volumes that a claim has: neither goes while somebody has it."""

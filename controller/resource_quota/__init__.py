"""Counts what namespaces use, writes it into the status of their quotas, and gives back what has gone."""

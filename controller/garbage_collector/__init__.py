"""Deletes what belongs to owners that are gone, and carries out foreground and orphan deletions."""

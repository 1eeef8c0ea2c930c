"""Removes traces that were left behind; usually the apiserver lets them expire an hour after their Pod."""

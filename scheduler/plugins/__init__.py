"""Plugins by their subject, unaware of one another; `scheduler.framework.registry` puts them in order."""

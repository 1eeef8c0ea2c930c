"""One plugin a module, unaware of one another; `scheduler.framework.registry` puts them in order."""

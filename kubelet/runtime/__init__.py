"""Container runtimes behind one interface with CRI's verbs: `docker`, `cri`, `hollow`."""

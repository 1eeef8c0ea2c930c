"""Container runtimes behind one interface with CRI's verbs: `docker`, `hollow` (later `cri`)."""

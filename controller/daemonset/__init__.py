"""DaemonSets: one Pod on every node that it is meant for."""

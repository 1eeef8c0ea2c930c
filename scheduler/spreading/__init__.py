"""PURE: topology spreading: who is counted, what is too many, and what few are worth.

Used by the plugin PodTopologySpread.
"""

"""`vaina why`: from what is known of a Pod to what is wrong with it, and what to look at next.

PURE (decision 130).
"""

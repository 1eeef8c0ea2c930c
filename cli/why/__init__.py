"""`vaina why`: from what is known of a Pod to what is wrong with it. PURE (decision 130)."""

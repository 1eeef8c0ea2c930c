"""From what is known of a Pod to what is wrong with it, for `vaina why` and the page. PURE (decision 130)."""

"""Creates: one object and many go through the same stages (`pipeline`, `storing`); `spec_memo` and
`templates` speed them up.
"""

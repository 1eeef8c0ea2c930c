"""Tokens of ServiceAccounts: signed for whoever asks by TokenRequest, and known again when they are shown.

Whatever needs keys and signatures is imported where tokens are configured (`service_account_issuer`).
"""

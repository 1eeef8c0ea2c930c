"""Why a Pod goes where it goes, or nowhere, and what would change that. Pure; uses plugins as the cycle does."""

"""The page: shows the cluster in a browser, with the rights of a reader. See docs/page.md."""

"""Several hospitals and two views: cached looks, heads without a shortcut, the blend that is shipped."""

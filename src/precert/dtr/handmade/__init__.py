"""Forms that a plan wrote by hand, served beside those that come from its policies."""

"""One module per use case: load, one step, commit."""

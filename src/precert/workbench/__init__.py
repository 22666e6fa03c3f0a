"""Pages for people, and the JSON behind them: explanations, policies, the reviewers' worklist."""

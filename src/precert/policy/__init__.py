"""Coverage rules: policy files, facts, three-valued criteria, decisions and their trace. Pure: no HTTP, no database."""

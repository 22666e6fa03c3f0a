"""From what is asked to a decision: the one door. Pure; nothing here reads a store or knows HTTP."""

"""The authorization record: case, line, determination, authorization; lifecycle as data; one decision-code table."""

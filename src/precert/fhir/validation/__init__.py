"""Profile validation: tables compiled from IG packages, and a walker over them."""

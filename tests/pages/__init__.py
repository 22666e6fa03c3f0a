"""The pages: content, escaping, accessibility, and the whole of it in a browser."""

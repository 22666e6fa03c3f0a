"""The store: one port, several engines. Import the port from :mod:`precert.store.port`."""

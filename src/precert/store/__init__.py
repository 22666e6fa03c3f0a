"""The store: one port, several engines. Import the port from :mod:`precert.store.port`.

``port`` is what the rest of precert sees. ``embedded`` is the default engine, made of: ``writer`` and ``readers`` (who may
touch the database, and when), ``unit``, ``outbox``, ``chain`` and ``reading`` (what a request does to the collections),
``records`` and ``tables`` (what is stored), ``verify``, ``transfer`` and ``copying`` (checks, export and import, backup), and
``mongo`` (mongita's client and collection API executed by SQLite).
"""

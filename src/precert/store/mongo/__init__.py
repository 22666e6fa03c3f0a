"""mongita's client and collection API, executed by SQLite.

mongita keeps what it is good at (a MongoDB-like API, argument checks, cursors, results). Storage, transactions, filters,
sorting and indexes are SQLite's, so that an acknowledged write survives and a filter means what it says.
"""

from precert.store.installation import check_packages

# Before any module of this package imports mongita or bson; see check_packages for why.
check_packages()

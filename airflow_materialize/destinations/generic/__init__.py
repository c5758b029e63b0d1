"""Any other database that has a `DbApiHook`."""

"""What each operation does, one module a family; merged here by operation id."""

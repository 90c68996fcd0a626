"""The end of a CatalogSource: what it left in the portal goes before the object does."""

"""What is kept of a CatalogSource between visits and restarts, and its stored form."""

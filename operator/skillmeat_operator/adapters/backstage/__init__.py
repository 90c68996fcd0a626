"""The catalog of a stock Backstage, read and changed."""

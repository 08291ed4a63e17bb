"""What objects are: the resource table, kinds, selectors, patches, errors. Pure functions, no I/O."""

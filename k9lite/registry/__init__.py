"""The verbs over the store: defaults, validation, allocation, graceful deletion, conflicts."""

"""One file per controller, each a level-based `reconcile(key)`; the runtime that drives them."""

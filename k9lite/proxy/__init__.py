"""The data plane: a process of its own that balances NodePort traffic over ready endpoints."""

"""k9lite: Kubernetes without the cluster, in one terminal."""

__version__ = "0.1.0"

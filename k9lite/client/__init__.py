"""A thin client for any Kubernetes API server: kubeconfig, REST, watch, informer cache."""

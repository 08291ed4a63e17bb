"""The Kubernetes REST API over the registry: routes, discovery, media types, watch streams, TLS."""

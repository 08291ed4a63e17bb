"""The kubelet's work: pods to containers, status, logs, graceful termination."""

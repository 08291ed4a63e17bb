"""What runs containers: the Engine protocol, Docker (and Podman), plain processes."""

"""What `make bench` runs: each module prints ratios against a peer or a limit, measured in one run."""

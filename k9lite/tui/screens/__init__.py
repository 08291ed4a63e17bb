"""Full screens: home, one kind, texts, logs, help."""

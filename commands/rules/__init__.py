"""What can be said of commands without a framework: words, behaviors, payloads, expectations, how values look. Pure."""

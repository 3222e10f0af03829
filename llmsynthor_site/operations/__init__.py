"""What whoever runs the machines looks at: is it alive, is it ready, how much waits, what went wrong."""

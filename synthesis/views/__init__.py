"""Pages about requests. Views fetch through selectors, change through services, and decide nothing."""

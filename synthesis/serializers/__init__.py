"""What the API tells of requests, runs and packages, and what it takes in. The services judge what is taken in."""

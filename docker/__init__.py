"""Images and containers of a site, and what runs in them beside the product itself."""

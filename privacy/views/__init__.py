"""Pages about datasets and what was released of them. Nothing here can open the vault."""

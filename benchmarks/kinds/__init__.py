"""Related tables of the kinds that the paper shows, measured and made again."""

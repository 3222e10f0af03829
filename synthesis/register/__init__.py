"""What a package tells registers and authorities: data card, records of processing, impact assessment, DP registry."""

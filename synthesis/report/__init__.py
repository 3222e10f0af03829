"""The report of a package: what a synthetic table is fit for, told against the noised statistics it was made from."""

"""Numbers stay 1.5 in attributes, drawings and fields; filters that write figures for reading say 1,5 themselves."""

DECIMAL_SEPARATOR = "."
THOUSAND_SEPARATOR = ","

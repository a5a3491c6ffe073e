"""Length generalisation: trained to L digits, tested to 2L."""

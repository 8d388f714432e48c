"""Channel compositing, lookup tables and rendered regions."""

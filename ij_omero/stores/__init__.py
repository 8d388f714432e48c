"""Image stores, one private module per backend."""

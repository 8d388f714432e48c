"""The bounded cache of cells with the crash-safe spill of dirty ones."""

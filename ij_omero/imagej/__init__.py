"""ImageJ in this process: runtime, cell images, modules, tables and ROIs."""

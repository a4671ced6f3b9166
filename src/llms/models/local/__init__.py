"""Models whose checkpoint is here: found, checked, loaded, computed by the engine in this process or in several."""

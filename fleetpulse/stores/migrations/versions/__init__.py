"""One step each, frozen: a step never imports what may change."""

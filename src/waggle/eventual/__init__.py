"""Layer 1: state that needs no agreement, as order-independent folds. So far: the task set."""

"""The recurrent network, its alignment, its weights."""

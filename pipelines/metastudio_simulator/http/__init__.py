"""The HTTP side of a simulated service: who may ask, what is asked, and how an answer looks."""

"""Pure values and rules of the market: no threads, no input or output but a table kept on disk."""

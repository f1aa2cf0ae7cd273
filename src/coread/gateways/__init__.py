"""Everything outside comes in here only: parse, call one function, render."""

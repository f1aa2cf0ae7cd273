"""Child processes for work that may fall, never end or want all memory.

`processes` is the parent's side. `inside` is what a child does to itself before it touches anything of
strangers, `messages` how arrays go to and fro without pickles; a child's script imports these two alone.
"""

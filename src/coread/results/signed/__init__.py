"""What a doctor signed, as the objects by which other systems receive it."""

"""Where a network is computed: within this process, or apart in processes that may fall, hang or grow."""

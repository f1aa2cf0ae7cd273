"""Secure aggregation: the coordinator learns the sum of the sites' updates and no single one.

The protocol of Bonawitz et al. 2017 (Practical Secure Aggregation for Privacy-Preserving Machine Learning,
CCS 2017, doi:10.1145/3133956.3133982), figure 4, with the key exchange signed by keys that stand in the plan.
Flower's own (SecAgg+) is not used: it hangs on Flower's former workflow interface, and it clips values in
silence. What it promises, and against whom, stands in ``docs/federation.md``.
"""

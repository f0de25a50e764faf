"""Questions that are answered from a store's records: rankings, comparisons, convergence, SQL, flat tables."""

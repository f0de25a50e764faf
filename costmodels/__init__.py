"""tunedb's costmodels."""

"""Ways out: a net with its weights for runtimes that know nothing of netc."""

"""The benchmark: Isopod and its peers in turn, in random order, under equal conditions."""

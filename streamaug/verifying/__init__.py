"""Check whether a store is what its tables say, shard by shard."""

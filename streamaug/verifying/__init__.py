"""Is a store what its tables say: findings, shard by shard."""

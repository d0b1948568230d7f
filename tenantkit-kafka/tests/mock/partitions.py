"""Computes partitions as tenantkit-kafka's documentation says: the known answers of partitions.rs."""

M = (1 << 64) - 1


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & M
    return h


def mix(v):
    v = v + 0x9E3779B97F4A7C15 & M
    v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9 & M
    v = (v ^ v >> 27) * 0x94D049BB133111EB & M
    return v ^ v >> 31


def score(h, partition):
    return mix(h ^ mix(partition))


def shard(tenant, n, k):
    h = fnv(tenant.encode())
    return sorted(sorted(range(n), key=lambda p: -score(h, p))[:k])


def keyed(tenant, key, n, k):
    h = fnv(tenant.encode() + b"\0" + key.encode())
    return max(shard(tenant, n, k), key=lambda p: score(h, p))


print(shard("acme", 12, 3))
print(shard("globex", 30, 8))
for key in ["", "7", "8", "älice"]:
    print(repr(key), keyed("acme", key, 12, 3))

"""Local copies of what the apiserver has: reflectors, stores with indexes, informers, listers."""

package parser

// Cache is a stub.
type Cache struct{}

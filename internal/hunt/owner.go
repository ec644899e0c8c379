package hunt

// Owner is the holder of an address. Zero means unknown.
type Owner struct {
	// ASN is the autonomous system that announces it, Organization its owner.
	ASN          int64
	Organization string
	// Country is an ISO 3166 two-letter code.
	Country string
}

package hunt

// Owner is who holds an address. What is not known is zero.
type Owner struct {
	// ASN is the number of the autonomous system that announces it, Organization whose that is.
	ASN          int64
	Organization string
	// Country is an ISO 3166 code of two letters.
	Country string
}

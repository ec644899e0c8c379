package hunt

import (
	"context"
	"net/netip"
)

// Owner is who holds an address. What is not known is zero.
type Owner struct {
	// ASN is the number of the autonomous system that announces it, Organization whose that is.
	ASN          int64
	Organization string
	// Country is an ISO 3166 code of two letters.
	Country string
}

// OwnerSource is a source whose records carry who holds the outside addresses.
type OwnerSource interface {
	// Owners looks many addresses up a request, in the window req.From to req.To. An address of which nothing is known
	// is missing in the answer.
	Owners(ctx context.Context, req Request, addrs []netip.Addr) (map[netip.Addr]Owner, error)
}

package hunt

import (
	"net/netip"
	"slices"
)

// AlertFields are an alert's fields besides its finding: the message, and what Security Onion's pivots and playbooks
// query (docs/facts/security-onion.md, 2.5).
type AlertFields struct {
	Message string     `json:"message"`
	Host    *AlertHost `json:"host,omitempty"`
	Related Related    `json:"related"`
	// DNS is nil unless the finding is about DNS queries.
	DNS *AlertDNS `json:"dns,omitempty"`
}

// AlertHost is the internal host by its most frequent name.
type AlertHost struct {
	Name string `json:"name"`
}

// Related are all addresses and names in an alert, each once.
type Related struct {
	IP    []netip.Addr `json:"ip,omitempty"`
	Hosts []string     `json:"hosts,omitempty"`
}

// AlertDNS has the newest queried name in both fields that Security Onion's playbooks use, and the registered domain.
type AlertDNS struct {
	Query     *AlertQuery `json:"query,omitempty"`
	QueryName string      `json:"query_name,omitempty"`
	Domain    string      `json:"highest_registered_domain,omitempty"`
}

// AlertQuery is dns.query.
type AlertQuery struct {
	Name string `json:"name"`
}

// Add adds addresses, each once.
func (r *Related) Add(list ...netip.Addr) {
	for _, a := range list {
		if a.IsValid() && !slices.Contains(r.IP, a) {
			r.IP = append(r.IP, a)
		}
	}
}

// Name adds names, each once.
func (r *Related) Name(list ...string) {
	for _, n := range list {
		if n != "" && !slices.Contains(r.Hosts, n) {
			r.Hosts = append(r.Hosts, n)
		}
	}
}

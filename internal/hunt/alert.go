package hunt

import (
	"net/netip"
	"slices"
)

// AlertFields is what an alert has beyond its finding: why it is shown, and what Security Onion's pivots and playbooks ask for
// (docs/facts/security-onion.md, 2.5).
type AlertFields struct {
	Message string     `json:"message"`
	Host    *AlertHost `json:"host,omitempty"`
	Related Related    `json:"related"`
	// DNS is nil unless the finding is about queries.
	DNS *AlertDNS `json:"dns,omitempty"`
}

// AlertHost is the internal host, by the name that is said most.
type AlertHost struct {
	Name string `json:"name"`
}

// Related are all addresses and names that an alert is about, each once.
type Related struct {
	IP    []netip.Addr `json:"ip,omitempty"`
	Hosts []string     `json:"hosts,omitempty"`
}

// AlertDNS has the newest name that was asked for under both of the names that Security Onion's playbooks know, and the domain.
type AlertDNS struct {
	Query     *AlertQuery `json:"query,omitempty"`
	QueryName string      `json:"query_name,omitempty"`
	Domain    string      `json:"highest_registered_domain,omitempty"`
}

// AlertQuery is the inner half of AlertDNS.
type AlertQuery struct {
	Name string `json:"name"`
}

// Add takes addresses in, each once.
func (r *Related) Add(list ...netip.Addr) {
	for _, a := range list {
		if a.IsValid() && !slices.Contains(r.IP, a) {
			r.IP = append(r.IP, a)
		}
	}
}

// Name takes names in, each once.
func (r *Related) Name(list ...string) {
	for _, n := range list {
		if n != "" && !slices.Contains(r.Hosts, n) {
			r.Hosts = append(r.Hosts, n)
		}
	}
}

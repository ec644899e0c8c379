package elastic

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// TestOwners reads who holds addresses out of documents that carry the fields of Security Onion's geography, the ones
// that it leaves out included.
func TestOwners(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		var lines []byte
		add := func(src, dst string, more map[string]object) {
			d := object{"@timestamp": day.Add(time.Hour).UnixMilli(), "event": object{"dataset": datasetConn}, "source": object{"ip": src}, "destination": object{"ip": dst}}
			for group, fields := range more {
				into, ok := d[group].(object)
				if !ok {
					into = object{}
					d[group] = into
				}
				for field, v := range fields {
					into[field] = v
				}
			}
			text, err := json.Marshal(d)
			require.NoError(t, err)
			lines = append(append(append(lines, "{\"create\":{}}\n"...), text...), '\n')
		}
		place := func(code string) object {
			return object{"geo": object{"country_iso_code": code, "country_name": "Somewhere", "location": object{"lat": 1.5, "lon": 2.5}}}
		}
		system := func(ip string, n int, name string) object {
			return object{"ip": ip, "asn": n, "organization_name": name, "network": "192.0.2.0/24"}
		}
		for range 3 {
			add("10.0.0.1", "203.0.113.7", map[string]object{"destination": place("NL"), "destination_geo": system("203.0.113.7", 64500, "Example Hosting")})
			add("10.0.0.1", "203.0.113.8", nil)
		}
		add("10.0.0.1", "2001:db8::7", map[string]object{"destination": place("DE")})
		add("10.0.0.1", "198.51.100.1", map[string]object{"destination_geo": system("198.51.100.1", 64501, "Other")})
		add("198.51.100.9", "10.0.0.1", map[string]object{"source": place("FR"), "source_geo": system("198.51.100.9", 64502, "Third")})
		c.bulk(t, index, lines)
		c.do(t, "POST", "/"+index+"/_refresh", nil)

		s, err := New(c.Client, Options{Index: []string{index}})
		require.NoError(t, err)
		a := netip.MustParseAddr
		addrs := []netip.Addr{a("203.0.113.7"), a("203.0.113.8"), a("2001:db8::7"), a("198.51.100.1"), a("198.51.100.9"), a("192.0.2.200")}
		want := map[netip.Addr]hunt.Owner{a("203.0.113.7"): {ASN: 64500, Organization: "Example Hosting", Country: "NL"}, a("2001:db8::7"): {Country: "DE"},
			a("198.51.100.1"): {ASN: 64501, Organization: "Other"}}
		req := hunt.Request{From: day, To: day.Add(24 * time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
		got, err := s.Owners(t.Context(), req, addrs)
		require.NoError(t, err)
		require.Equal(t, want, got)
		req.Scope = hunt.NewScope(nil, hunt.Inbound)
		want[a("198.51.100.9")] = hunt.Owner{ASN: 64502, Organization: "Third", Country: "FR"}
		got, err = s.Owners(t.Context(), req, addrs)
		require.NoError(t, err)
		require.Equal(t, want, got)
		req.From, req.To = day.Add(24*time.Hour), day.Add(48*time.Hour)
		got, err = s.Owners(t.Context(), req, addrs)
		require.NoError(t, err)
		require.Empty(t, got, "another window")
	})
}

package rank

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/pairs"
)

// What is noted is met, and nothing else: at the bounds of an upper half, of IPv6, twice among the answers.
func TestContacts(t *testing.T) {
	var all []netip.Addr
	for _, text := range []string{"0.0.0.0", "1.2.0.0", "1.2.255.255", "1.3.0.0", "203.0.113.9", "255.255.255.255", "2001:db8::1", "2001:db8::2", "1.2.0.0", "2001:db8::1"} {
		all = append(all, netip.MustParseAddr(text))
	}
	c := newContacts(func(yield func(netip.Addr)) {
		for _, a := range all {
			yield(a)
		}
	})
	require.Len(t, c.four, 6)
	require.Len(t, c.six, 2)
	for i, a := range all[:8] {
		require.False(t, c.met(a))
		c.note(a)
		for j, other := range all[:8] {
			require.Equal(t, j <= i, c.met(other), "%s after %s", other, a)
		}
	}
	for _, other := range []string{"1.2.0.1", "1.4.0.0", "2001:db8::3", "::"} {
		c.note(netip.MustParseAddr(other))
		require.False(t, c.met(netip.MustParseAddr(other)), other)
	}
	none := &contacts{}
	none.note(all[0])
	require.False(t, none.met(all[0]))
}

// A client's connections to an address count for each of its domains that resolve to it, and for no other client.
func TestVisits(t *testing.T) {
	addr, other := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("203.0.113.10")
	make := func(client, domain string, answers ...netip.Addr) *asked {
		q := &pairs.Queries{Client: netip.MustParseAddr(client), Domain: domain}
		for _, a := range answers {
			q.Answered(a)
		}
		return &asked{queries: q}
	}
	d := dns{all: []*asked{make("10.0.0.2", "b.example", addr), make("10.0.0.1", "z.example", other, addr), make("10.0.0.1", "a.example", addr), make("10.0.0.1", "seldom.example", addr)}}
	d.all[3].seldom = true
	d.watch()
	list := d.visits(d.all[1].queries.Client, func(a *asked) bool { return !a.seldom })
	count(list, addr, 5)
	count(list, other, 2)
	count(list, netip.MustParseAddr("203.0.113.11"), 9)
	askedFor(d.of(d.all[1].queries.Client), "a.example", 3)
	askedFor(d.of(d.all[1].queries.Client), "none.example", 3)
	var got []int64
	for _, a := range d.all {
		got = append(got, a.visits.Load(), a.named.Load())
	}
	require.Equal(t, []int64{0, 0, 7, 0, 8, 3, 0, 0}, got)
	require.Empty(t, d.of(netip.MustParseAddr("10.0.0.3")))
	require.True(t, slices.IsSortedFunc(list, func(a, b visit) int { return a.to.Compare(b.to) }))
}

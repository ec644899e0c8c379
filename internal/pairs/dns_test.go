package pairs

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

func TestDNSByClientAndRegisteredDomain(t *testing.T) {
	resolver, other := netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("10.0.0.2")
	upstream := netip.MustParseAddr("198.51.100.53")
	d := NewDNS(Budget{})
	var batch []hunt.DNSRecord
	asked := map[string]bool{}
	for i := range 300 {
		q := fmt.Sprintf("x%d.t.evil.co.uk", i)
		asked[q] = true
		batch = append(batch,
			hunt.DNSRecord{Start: int64(1000 + i), Client: client, Resolver: resolver, Query: q, Type: "TXT", Answers: []string{"abcd", "203.0.113.9"}},
			// The resolver asks on: the same names under another client.
			hunt.DNSRecord{Start: int64(1000 + i), Client: resolver, Resolver: upstream, Query: q, Type: "TXT"})
	}
	batch = append(batch, hunt.DNSRecord{Client: other, Resolver: resolver, Query: "www.example.com", Type: "A", Count: 5},
		hunt.DNSRecord{Client: other, Resolver: resolver, Query: "localhost"}, hunt.DNSRecord{Client: other, Resolver: resolver, Query: "9.113.0.203.in-addr.arpa"},
		hunt.DNSRecord{Client: other, Resolver: resolver, Query: "co.uk"})
	d.Add(batch)
	all := d.All()
	require.Len(t, all, 2, "the resolver's own questions are its clients'")
	require.Equal(t, "evil.co.uk", all[0].Domain)
	require.Equal(t, client, all[0].Client)
	require.Equal(t, 300, all[0].Names())
	require.ElementsMatch(t, slices.Collect(maps.Keys(asked)), all[0].Texts())
	require.Equal(t, int64(300), all[0].Count)
	require.Equal(t, int64(300), all[0].Unusual)
	require.Equal(t, int64(300*(4+11)), all[0].AnswerBytes)
	require.Equal(t, int64(1000), all[0].First)
	require.Equal(t, int64(1299), all[0].Last)
	require.Contains(t, slices.Collect(all[0].Addresses()), netip.MustParseAddr("203.0.113.9"))
	require.Equal(t, "example.com", all[1].Domain)
	require.Equal(t, int64(5), all[1].Count)
	require.True(t, d.Resolves(resolver))
}

func TestOnlyTheResolverIsSeen(t *testing.T) {
	resolver, upstream := netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("198.51.100.53")
	d := NewDNS(Budget{})
	d.Add([]hunt.DNSRecord{{Client: resolver, Resolver: upstream, Query: "a.evil.example"}})
	require.Len(t, d.All(), 1)
	require.Equal(t, resolver, d.All()[0].Client)
}

// A host that somebody asks once is no resolver whose own questions are left out: those whom it asks for have to be
// seen asking.
func TestAPretendedResolverHidesNothing(t *testing.T) {
	implant, helper := netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("10.0.0.8")
	d := NewDNS(Budget{})
	d.Add([]hunt.DNSRecord{{Client: helper, Resolver: implant, Query: "a.evil.example"}})
	for i := range 100 {
		d.Add([]hunt.DNSRecord{{Client: implant, Resolver: netip.MustParseAddr("10.0.0.53"), Query: fmt.Sprintf("x%d.evil.example", i)}})
	}
	require.Len(t, d.All(), 2)
	require.Equal(t, implant, d.All()[0].Client)
	require.Equal(t, 100, d.All()[0].Names())
}

// Names are resolved by whom their domain belongs to only where everything that was asked is ours, and all of that is
// known.
func TestResolved(t *testing.T) {
	near, own := netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("203.0.113.9")
	d := NewDNS(Budget{})
	host := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 1, byte(n)}) }
	ask := func(client, resolver netip.Addr) {
		d.Add([]hunt.DNSRecord{{Client: client, Resolver: resolver, Query: "a.example.com"}})
	}
	ask(host(3), near)
	ask(host(4), near)
	ask(host(4), own)
	for n := range maxAsked + 1 {
		ask(host(5), netip.AddrFrom4([4]byte{10, 0, 2, byte(n)}))
	}
	want := map[netip.Addr]bool{host(3): true, host(4): false, host(5): false}
	for _, q := range d.All() {
		require.Equal(t, want[q.Client], q.Resolved(netip.MustParsePrefix("10.0.0.0/8").Contains), q.Client)
		delete(want, q.Client)
	}
	require.Empty(t, want)
	require.True(t, d.Resolves(near))
	require.False(t, d.Resolves(host(3)))
}

// Reverse names that hold more than an address belong to the zone of its network; plain ones to nobody.
func TestReverseZone(t *testing.T) {
	for name, want := range map[string]string{
		"4.3.2.1.in-addr.arpa":                                "",
		"data.4.3.2.1.in-addr.arpa":                           "3.2.1.in-addr.arpa",
		"deadbeef.3.2.1.in-addr.arpa":                         "3.2.1.in-addr.arpa",
		"2.1.in-addr.arpa":                                    "",
		"lb._dns-sd._udp.0.0.10.in-addr.arpa":                 "0.0.10.in-addr.arpa",
		strings.Repeat("0.", 31) + "0.ip6.arpa":               "",
		"deadbeef." + strings.Repeat("0.", 19) + "1.ip6.arpa": "0.0.0.0.0.0.0.0.0.0.0.1.ip6.arpa",
		"home.arpa": "",
	} {
		require.Equal(t, want, reverseZone(name), name)
	}
}

// Times come back as they went in, in order; more than are kept are none.
func TestTimesOfQueries(t *testing.T) {
	d := NewDNS(Budget{})
	ask := func(start, count int64) {
		d.Add([]hunt.DNSRecord{{Start: start, Client: netip.MustParseAddr("10.0.0.1"), Resolver: netip.MustParseAddr("10.0.0.53"), Query: "a.evil.example", Type: "A", Count: count}})
	}
	ask(5000, 1)
	ask(2000, 2)
	ask(9000, 0)
	q := d.All()[0]
	require.Equal(t, []int64{2000, 2000, 5000, 9000}, q.Times())
	require.Equal(t, 4, q.Timed())
	ask(10_000, MaxTimes)
	require.Nil(t, q.Times())
	require.Equal(t, MaxTimes, q.Timed())
}

// A client that asks below endlessly many domains takes no more than its share, hides no other's, and is reported.
func TestDomainsOfAClientAreBounded(t *testing.T) {
	d := NewDNS(Budget{})
	batch := make([]hunt.DNSRecord, 0, maxDomains+7)
	for i := range maxDomains + 7 {
		batch = append(batch, hunt.DNSRecord{Client: client, Resolver: netip.MustParseAddr("10.0.0.53"), Query: fmt.Sprintf("www.d%d.com", i)})
	}
	d.Add(batch)
	d.Add([]hunt.DNSRecord{{Client: client, Resolver: netip.MustParseAddr("10.0.0.53"), Query: "again.d1.com"},
		{Client: netip.MustParseAddr("10.0.0.99"), Resolver: netip.MustParseAddr("10.0.0.53"), Query: "www.other.com"}})
	clients, queries, seldom := d.Crowded()
	require.Equal(t, []int64{1, 0, 7}, []int64{clients, queries, seldom})
	require.Len(t, d.All(), maxDomains+1)

	// Beyond the limit a domain is kept from its eighth query on, or at once when an indicator list names it.
	d.Listed = func(name string) bool { return name == "bad.evil.example" }
	d.Add([]hunt.DNSRecord{{Client: client, Query: "bad.evil.example"}})
	for i := range 60 {
		d.Add([]hunt.DNSRecord{{Client: client, Query: fmt.Sprintf("n%d.tunnel.example", i)}})
	}
	require.Len(t, d.All(), maxDomains+3)
	require.Equal(t, "tunnel.example", d.All()[0].Domain)
	require.EqualValues(t, 60, d.All()[0].Count)
	_, queries, seldom = d.Crowded()
	require.Equal(t, []int64{0, 7}, []int64{queries, seldom})
}

// What does not fit in memory is counted: domains and names. Times go to disk, and come back whole.
func TestQueriesKeepToTheirMemory(t *testing.T) {
	const most = 1 << 19
	d := NewDNS(Budget{Bytes: most, Folder: t.TempDir()})
	resolver := netip.MustParseAddr("10.0.0.53")
	before := []hunt.DNSRecord{{Start: 1000, Client: client, Resolver: resolver, Query: "a.early.com"}, {Start: 2000, Client: client, Resolver: resolver, Query: "b.early.com"}}
	d.Add(before)
	batch := make([]hunt.DNSRecord, 0, 50_000)
	for i := range 50_000 {
		batch = append(batch, hunt.DNSRecord{Start: int64(i + 1), Client: client, Resolver: resolver, Query: fmt.Sprintf("www.d%d.com", i)})
	}
	d.Add(batch)
	later := []int64{1}
	for i := range int64(40_000) {
		later = append(later, 3000+9_770_000*i)
		d.Add([]hunt.DNSRecord{{Start: 3000 + 9_770_000*i, Client: client, Resolver: resolver, Query: "www.d0.com"}})
	}
	require.Less(t, d.size, int64(most+most/timesShare)+100_000)
	require.Less(t, d.held, int64(most/timesShare)+100_000)
	require.NotNil(t, d.shelf)
	clients, queries, seldom := d.Crowded()
	require.EqualValues(t, 1, clients)
	require.Zero(t, queries, "each was asked for once or twice")
	require.EqualValues(t, len(batch), seldom+int64(len(d.domains))-1)
	for _, q := range d.All() {
		switch q.Domain {
		case "early.com":
			require.Equal(t, []int64{1000, 2000}, q.Times())
		case "d0.com":
			require.Greater(t, len(q.shelved), 1, "they went to disk more than once")
			require.Equal(t, later, q.Times())
		}
	}
	require.NoError(t, d.Err())
	require.NoError(t, d.Close())
}

// TestAnswersInAnyOrder keeps the same of too many answers, whichever come first.
func TestAnswersInAnyOrder(t *testing.T) {
	up, down := &Queries{}, &Queries{}
	for i := range 1000 {
		up.Answered(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}))
		down.Answered(netip.AddrFrom4([4]byte{198, 51, byte((999 - i) >> 8), byte(999 - i)}))
	}
	require.Len(t, slices.Collect(up.Addresses()), MaxAddresses)
	require.Equal(t, slices.Collect(up.Addresses()), slices.Collect(down.Addresses()))
}

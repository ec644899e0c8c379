package pairs

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// Requests of a source under a name come back in order; those of others, of TLS and without a Host do not count.
func TestRequests(t *testing.T) {
	var r Requests
	src, other := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	r.Add([]hunt.NameRecord{
		{Src: src, Kind: hunt.HTTP, Name: "a.example", Start: 9000}, {Src: src, Kind: hunt.HTTP, Name: "a.example", Start: 4000},
		{Src: src, Kind: hunt.HTTP, Name: "b.example", Start: 5000}, {Src: other, Kind: hunt.HTTP, Name: "a.example", Start: 6000},
		{Src: src, Kind: hunt.TLS, Name: "a.example", Start: 7000}, {Src: src, Kind: hunt.HTTP, Start: 8000},
	})
	require.Equal(t, []int64{4000, 9000}, r.Times(src, stand("a.example")))
	require.Empty(t, r.Times(src, stand("c.example")))
}

// Messages of other protocols are kept by the address they went to, whatever requests under names there are.
func TestMessages(t *testing.T) {
	var r Requests
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.7")
	r.Add([]hunt.NameRecord{{Src: src, Dst: dst, Kind: hunt.Message, Start: 9000}, {Src: src, Dst: dst, Kind: hunt.HTTP, Name: "a.example", Start: 5000},
		{Src: src, Dst: dst, Kind: hunt.Message, Start: 4000}, {Src: src, Dst: dst, Kind: hunt.TLS, Start: 7000}})
	require.Equal(t, []int64{4000, 9000}, r.Times(src, dst))
	require.Equal(t, []int64{5000}, r.Times(src, stand("a.example")))
}

// Times that do not fit are counted, and a series that lacks some has none.
func TestRequestsKeepToTheirMemory(t *testing.T) {
	r := Requests{Most: 10_000}
	src := netip.MustParseAddr("10.0.0.1")
	add := func(start int64, name string) {
		r.Add([]hunt.NameRecord{{Start: start, Src: src, Kind: hunt.HTTP, Name: name}})
	}
	add(1000, "early.example")
	for i := range 1000 {
		add(int64(2000+i), fmt.Sprintf("n%d.example", i))
	}
	add(9000, "n0.example")
	require.Equal(t, []int64{1000}, r.Times(src, stand("early.example")))
	require.Nil(t, r.Times(src, stand("n0.example")))
	require.EqualValues(t, 1000+2-len(r.of), r.Left())
	require.LessOrEqual(t, r.size, r.Most+requestCost+10)
}

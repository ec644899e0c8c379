package material

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// A host that shows another JA3 each time takes no more than its share, and hides no other's.
func TestSignaturesAreBounded(t *testing.T) {
	noisy, quiet, dst := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.6"), netip.MustParseAddr("203.0.113.9")
	s := newSignatures()
	for i := range maxOfHost + 7 {
		s.add([]hunt.Signature{{Src: noisy, Dst: dst, Name: "a.example", Text: fmt.Sprint("ja3-", i)}})
	}
	s.add([]hunt.Signature{{Src: noisy, Dst: dst, Name: "b.example", Text: "ja3-1"}, // known already: not beyond
		{Src: quiet, Dst: dst, Name: "a.example", Text: "agent"}, {Src: quiet, Dst: dst, Text: "tool"}, {Src: quiet, Dst: noisy, Text: "tool"}})
	require.Equal(t, int64(7), s.left)
	require.Len(t, s.list, maxOfHost+2)
	require.Equal(t, "ja3-0", s.Rare(&hunt.PairKey{Src: noisy, Name: "a.example"}))
	require.Empty(t, s.Rare(&hunt.PairKey{Src: noisy, Name: "b.example"}), "shown to two")
	require.Equal(t, "agent", s.Rare(&hunt.PairKey{Src: quiet, Name: "a.example"}))
	require.Empty(t, s.Rare(&hunt.PairKey{Src: quiet, Dst: dst}), "shown to two")
}

package material

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"dwell/internal/hunt"
)

// Signatures are the user agents and JA3s that each host shows, with the one destination and the one name that it
// shows them to; of those shown to several, only that.
type Signatures struct {
	mu    sync.Mutex
	shown map[signed]int32 // where in list
	list  []shownTo
	// by are the signatures of a pair of addresses and of a pair with a name.
	by map[signedPair][]int32
	// of is how many each host shows; left are records of more than are kept.
	of   map[netip.Addr]int32
	left int64
}

type signed struct {
	src  netip.Addr
	text string
}

// shownTo counts to two.
type shownTo struct {
	text             string
	dst              netip.Addr
	name             string
	severalDst, more bool
}

type signedPair struct {
	src, dst netip.Addr
	name     string
}

const (
	// maxSignatures is how many signatures of a pair are looked at.
	maxSignatures = 50
	// maxOfMachine bounds what is kept of a host: browsers show a JA3 of its own in every connection. What comes after
	// so many is not known to be rare.
	maxOfHost = 10_000
	// maxOfAll bounds what is kept of all: some 200 MB.
	maxOfAll = 1 << 20
)

func newSignatures() *Signatures {
	return &Signatures{shown: map[signed]int32{}, by: map[signedPair][]int32{}, of: map[netip.Addr]int32{}}
}

func (s *Signatures) add(batch []hunt.Signature) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		r := &batch[i]
		if r.Text == "" {
			continue
		}
		at, there := s.shown[signed{r.Src, r.Text}]
		if !there {
			if s.of[r.Src] >= maxOfHost || len(s.list) >= maxOfAll {
				s.left++
				continue
			}
			at = int32(len(s.list))
			s.list = append(s.list, shownTo{text: r.Text, dst: r.Dst, name: r.Name})
			s.shown[signed{r.Src, r.Text}] = at
			s.of[r.Src]++
		}
		to := &s.list[at]
		to.severalDst = to.severalDst || to.dst != r.Dst
		switch {
		case r.Name == "":
		case to.name == "":
			to.name = r.Name
		case to.name != r.Name:
			to.more = true
		}
		pair := signedPair{src: r.Src, name: r.Name}
		if r.Name == "" {
			pair.dst = r.Dst
		}
		if list := s.by[pair]; len(list) < maxSignatures && !slices.Contains(list, at) {
			s.by[pair] = append(list, at)
		}
	}
}

// Rare is a signature that the source of a key shows there alone, or empty.
func (s *Signatures) Rare(k *hunt.PairKey) string {
	if s == nil {
		return ""
	}
	pair := signedPair{src: k.Src, name: k.Name}
	if k.Name == "" {
		pair.dst = k.Dst
	}
	for _, at := range s.by[pair] {
		if to := &s.list[at]; k.Name != "" && !to.more || k.Name == "" && !to.severalDst {
			return to.text
		}
	}
	return ""
}

// readSignatures reads the signatures of all hosts.
func (m *Material) readSignatures(ctx context.Context, in *hunt.Session, req hunt.Request, reading *hunt.Reading) error {
	m.Signatures = newSignatures()
	more, err := in.Signatures(ctx, req, func(batch []hunt.Signature) error {
		m.Signatures.add(batch)
		return ctx.Err()
	})
	// What is odd about the logs was reported when their names were read.
	include(reading, "signatures", &hunt.Reading{Connections: more.Connections, Gaps: more.Gaps})
	if n := m.Signatures.left; n > 0 {
		reading.Notes = append(reading.Notes, hunt.Note{What: fmt.Sprintf("%s records show user agents or JA3s beyond the first %s of their host, or %s of all; none of those counts as rare",
			hunt.Count(n), hunt.Count(maxOfHost), hunt.Count(maxOfAll))})
	}
	return err
}

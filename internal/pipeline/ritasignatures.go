package pipeline

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"dwell/internal/hunt"
)

// signatures are the user agents and JA3s that each machine shows, with the one destination and the one name that it
// shows them to; of those shown to several, only that.
type signatures struct {
	mu    sync.Mutex
	shown map[signed]*shownTo
	// by are the signatures of a pair of addresses and of a pair with a name.
	by map[signedPair][]string
}

type signed struct {
	src  netip.Addr
	text string
}

// shownTo counts up to two.
type shownTo struct {
	dst              netip.Addr
	name             string
	severalDst, more bool
}

type signedPair struct {
	src, dst netip.Addr
	name     string
}

func (s *signatures) add(batch []hunt.Signature) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		r := &batch[i]
		if r.Text == "" {
			continue
		}
		k := signed{r.Src, r.Text}
		to := s.shown[k]
		if to == nil {
			to = &shownTo{dst: r.Dst, name: r.Name}
			s.shown[k] = to
		}
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
		if list := s.by[pair]; len(list) < maxSignatures && !slices.Contains(list, r.Text) {
			s.by[pair] = append(list, r.Text)
		}
	}
}

// maxSignatures is how many signatures of a pair are looked at.
const maxSignatures = 50

// rare is a signature that the source of a key shows there alone, or empty.
func (s *signatures) rare(k *hunt.PairKey) string {
	if s == nil {
		return ""
	}
	pair := signedPair{src: k.Src, name: k.Name}
	if k.Name == "" {
		pair.dst = k.Dst
	}
	for _, text := range s.by[pair] {
		to := s.shown[signed{k.Src, text}]
		if k.Name != "" && !to.more || k.Name == "" && !to.severalDst {
			return text
		}
	}
	return ""
}

// readSignatures reads them where the profile asks for them and the source has them.
func (m *material) readSignatures(ctx context.Context, src hunt.Source, req hunt.Request, reading *hunt.Reading) error {
	from, ok := src.(hunt.SignatureSource)
	if !ok {
		return nil
	}
	m.signatures = &signatures{shown: map[signed]*shownTo{}, by: map[signedPair][]string{}}
	more, err := from.ReadSignatures(ctx, req, func(batch []hunt.Signature) error {
		m.signatures.add(batch)
		return ctx.Err()
	})
	// What is odd about the logs was told when their names were read.
	include(reading, "signatures", &hunt.Reading{Connections: more.Connections, Gaps: more.Gaps})
	return err
}

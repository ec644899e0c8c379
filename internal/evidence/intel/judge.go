package intel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// Lists are the indicators from files and feeds.
type Lists struct {
	known    indicators
	notes    []hunt.Note
	revision string
}

var _ evidence.Judge = (*Lists)(nil)

// Load reads lists: a path or a feed's URL, with #COLUMN for a CSV (a column name from the first line, or its number
// from 1). Feeds are fetched concurrently. It never fails: what cannot be used becomes a note of the hunt. An indicator
// in several lists is attributed to the first.
func Load(ctx context.Context, files []string, feeds *Feeds) *Lists {
	l := &Lists{known: indicators{texts: map[string]string{}}}
	digest := sha256.New()
	texts := l.fetch(ctx, files, feeds)
	for i, spec := range files {
		path, column, _ := strings.Cut(spec, "#")
		fmt.Fprintf(digest, "%q\n", spec)
		where := path
		var refused []refusal
		var err error
		if isFeed(spec) {
			if texts[i] == nil {
				continue // already reported
			}
			where = feedName(path)
			refused, err = l.known.read(io.TeeReader(bytes.NewReader(texts[i]), digest), where, column)
		} else {
			refused, err = l.load(path, column, digest)
		}
		if err != nil {
			l.notes = append(l.notes, hunt.Note{Where: where, What: "the indicator list is not used, or not all of it: " + err.Error(), Hint: "evidence.intel names it"})
		}
		for _, r := range refused {
			l.notes = append(l.notes, hunt.Note{Where: where, What: fmt.Sprintf("left out %s indicators, the first %q: it %s", hunt.Count(r.count), r.first, r.why)})
		}
	}
	if len(files) > 0 {
		l.revision = "intel " + hex.EncodeToString(digest.Sum(nil)[:8])
	}
	return l
}

// fetch returns the text of each feed among the lists, nil for the others.
func (l *Lists) fetch(ctx context.Context, lists []string, feeds *Feeds) [][]byte {
	texts, notes := make([][]byte, len(lists)), make([]*hunt.Note, len(lists))
	var g errgroup.Group
	g.SetLimit(4)
	for i, spec := range lists {
		if address, column, _ := strings.Cut(spec, "#"); isFeed(spec) {
			g.Go(func() error {
				texts[i], notes[i] = feeds.get(ctx, address, column)
				return nil
			})
		}
	}
	_ = g.Wait() // none fails
	for _, n := range notes {
		if n != nil {
			l.notes = append(l.notes, *n)
		}
	}
	return texts
}

func (l *Lists) load(path, column string, digest io.Writer) ([]refusal, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return l.known.read(io.TeeReader(f, digest), filepath.Base(path), column)
}

// Len is the number of indicators.
func (l *Lists) Len() int { return l.known.count }

// Texts are the TLS fingerprints and certificate hashes of the lists, in order.
func (l *Lists) Texts() []string { return slices.Sorted(maps.Keys(l.known.texts)) }

// Revision implements [evidence.Judge]: the digest of all lists.
func (l *Lists) Revision() string { return l.revision }

// Judge implements [evidence.Judge]. The notes are about the lists.
func (l *Lists) Judge(ctx context.Context, _ *evidence.Hunt, subjects []*evidence.Candidate) (hunt.Remarks, error) {
	for _, s := range subjects {
		l.judge(s)
	}
	return hunt.Remarks{Notes: l.notes}, ctx.Err()
}

// Lookup returns the indicators that addresses and a name (or none) match.
func (l *Lists) Lookup(addrs []netip.Addr, name string) (hits []hunt.IntelHit) {
	for _, a := range addrs {
		if indicator, list, ok := l.known.address(a); ok {
			hits = append(hits, hunt.IntelHit{Indicator: indicator, Type: "address", List: list})
		}
	}
	if indicator, list, ok := l.known.name(name); ok {
		hits = append(hits, hunt.IntelHit{Indicator: indicator, Type: "domain", List: list})
	}
	return hits
}

// maxHits is the maximum number of indicators in a finding.
const maxHits = 10

// judge looks up everything known of the destination. The finding's evidence names each indicator once.
func (l *Lists) judge(s *evidence.Candidate) {
	e := s.Finding.Dwell.Evidence
	hit := func(kind string, indicator, list string, ok bool) {
		if !ok || len(e.Intel) == maxHits {
			return
		}
		for _, h := range e.Intel {
			if h.Indicator == indicator {
				return
			}
		}
		e.Intel = append(e.Intel, hunt.IntelHit{Indicator: indicator, Type: kind, List: list})
	}
	addresses := e.Addresses
	if dst := s.Finding.Destination.IP; dst.IsValid() {
		addresses = append(addresses[:len(addresses):len(addresses)], dst)
	}
	for _, h := range l.Lookup(addresses, "") {
		hit(h.Type, h.Indicator, h.List, true)
	}
	names := []string{s.Key.Name, s.Key.DNS}
	for _, n := range s.Names {
		names = append(names, n.Name)
	}
	for _, n := range append(names, e.Names...) {
		for _, h := range l.Lookup(nil, n) {
			hit(h.Type, h.Indicator, h.List, true)
		}
	}
	if p := e.Protocol; p != nil {
		text := func(kind, t string) {
			list, ok := l.known.texts[strings.ToLower(t)]
			hit(kind, strings.ToLower(t), list, ok && t != "")
		}
		for _, f := range p.JA3 {
			text("ja3", f)
		}
		for _, f := range p.JA4 {
			text("ja4", f)
		}
		if p.Certificate != nil {
			text("certificate", p.Certificate.Hash)
		}
	}
	if len(e.Intel) == 0 {
		return
	}
	first := e.Intel[0]
	reason := fmt.Sprintf("threat-intel match: %s %s (%s)", first.Type, first.Indicator, first.List)
	if more := len(e.Intel) - 1; more > 0 {
		reason += fmt.Sprintf(" and %s more", hunt.Count(more))
	}
	s.Modify(evidence.Intel, reason)
}

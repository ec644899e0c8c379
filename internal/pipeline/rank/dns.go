package rank

import (
	"iter"
	"net/netip"
	"strings"

	"dwell/internal/evidence"
	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// tunnel is a client and a registered domain whose names carry data, perhaps.
type tunnel struct {
	queries   *pairs.Queries
	contacted bool
	score     scoring.DNSTunnel
}

// tunnels picks the domains with enough names, and notes in s.answers whose addresses are worth watching for.
func (s *search) tunnels() (out []*tunnel) {
	s.answers = map[netip.Addr][]*tunnel{}
	for q := range s.m.Domains() {
		t := &tunnel{queries: q}
		out = append(out, t)
		for a := range q.Addresses {
			s.answers[a] = append(s.answers[a], t)
		}
	}
	return out
}

// resolvers are the addresses that were asked for the domains.
func resolvers(tunnels []*tunnel) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, t := range tunnels {
			for _, a := range t.queries.Asked() {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// tunnelSubjects judges the domains, now that it is known whether anybody connected to their answers.
func (s *search) tunnelSubjects(tunnels []*tunnel) []*evidence.Subject {
	var out []*evidence.Subject
	for _, t := range tunnels {
		q := t.queries
		d := scoring.DNSNames{Domain: q.Domain, Names: q.Texts(), Queries: int(q.Count), Unusual: int(q.Unusual), AnswerBytes: q.AnswerBytes}
		if len(q.Addresses) > 0 {
			d.Contacted = &t.contacted
		}
		t.score = scoring.ScoreDNSTunnel(d)
		if t.score.Score < material.Floor && t.score.Score < s.m.MinScore {
			continue
		}
		out = append(out, s.tunnelSubject(t))
	}
	return out
}

// commonSuffix is the longest domain that all names are or lie below; empty without names.
func commonSuffix(names []string) (common string) {
	for i, name := range names {
		if i == 0 {
			common = name
		}
		for common != "" && name != common && !strings.HasSuffix(name, "."+common) {
			_, common, _ = strings.Cut(common, ".")
		}
	}
	return common
}

func (s *search) tunnelSubject(t *tunnel) *evidence.Subject {
	q := t.queries
	sub := s.m.TunnelOf(q)
	f := s.m.Finding(sub, hunt.Parts{DNSTunnel: t.score.Score})
	f.Destination.Domain = q.Domain
	f.Dwell.InternalIP = q.Client
	f.Dwell.Indicators, f.Dwell.Reasons = []string{hunt.DNSTunnel}, t.score.Reasons()
	if t.score.Score < material.Floor {
		f.Dwell.Indicators = []string{}
	}
	f.Rule = material.Rule([]string{hunt.DNSTunnel})
	f.Dwell.DNS = &hunt.DNSEvidence{Names: int64(len(q.Names)) + q.Overflow, Queries: q.Count, MeanLength: material.Round(t.score.Length), Entropy: material.Round(t.score.Entropy)}
	out := evidence.NewSubject(sub.PairKey, scoring.Indicators{DNSTunnel: t.score.Score}, &f, s.weights)
	out.Names = []evidence.Name{{Name: commonSuffix(q.Texts()), Connections: q.Count}}
	internal := s.m.Request.Scope.IsInternal
	out.Resolved = q.Resolved(func(a netip.Addr) bool { return internal(a) || s.spread.Resolves(a, q.Client) })
	protocol.ExplainNames(out, &protocol.Names{Domain: q.Domain, Texts: q.Texts(), Unusual: q.Unusual, Length: t.score.Length, Addresses: q.Addresses,
		AnswerBytes: q.AnswerBytes, Internal: internal, Inside: q.Resolved(func(a netip.Addr) bool { return internal(a) || s.m.Request.Scope.Never(a) })})
	if q.Overflow > 0 {
		out.Last("there were more names than are kept: at least those above")
	}
	return out
}

// contacted notes that somebody connected to an address.
func (s *search) contacted(dst netip.Addr) {
	if of := s.answers[dst]; len(of) > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, t := range of {
			t.contacted = true
		}
	}
}

package pipeline

import (
	"strings"

	"net/netip"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// tunnelFloor is how many distinct names a domain needs to be looked at: scoring gives 0 below.
const tunnelFloor = 50

// tunnel is a client and a registered domain whose names carry data, perhaps.
type tunnel struct {
	queries   *pairs.Queries
	contacted bool
	score     scoring.DNSTunnel
}

// tunnels picks the domains with enough names, and notes in s.answers whose addresses are worth watching for.
func (s *search) tunnels(dns *pairs.DNS) []*tunnel {
	if dns == nil {
		return nil
	}
	s.answers = map[netip.Addr][]*tunnel{}
	var out []*tunnel
	for _, q := range dns.All() {
		if len(q.Names) < tunnelFloor {
			break // they come with the most names first
		}
		t := &tunnel{queries: q}
		out = append(out, t)
		for a := range q.Addresses {
			s.answers[a] = append(s.answers[a], t)
		}
	}
	return out
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
		if t.score.Score < severityFloor && t.score.Score < s.o.MinScore {
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

// tunnelOf is a client's queries below a domain as what a finding is about.
func tunnelOf(q *pairs.Queries, w hunt.Window) *subject {
	sub := &subject{PairKey: hunt.PairKey{Src: q.Client, Dst: q.Resolver, DNS: q.Domain, Port: 53},
		port:   pairs.Port{Number: 53, Proto: hunt.UDP, Service: "dns", Last: q.Last},
		totals: totals{connections: q.Count, resp: q.AnswerBytes, first: q.First, last: q.Last}}
	if q.Last == 0 { // counted without times
		sub.port.Last = w.End.UnixMilli() - 1
		sub.totals.first, sub.totals.last = w.Start.UnixMilli(), sub.port.Last
	}
	return sub
}

func (s *search) tunnelSubject(t *tunnel) *evidence.Subject {
	q := t.queries
	sub := tunnelOf(q, s.window)
	f := s.id.finding(sub, &s.o, hunt.Parts{DNSTunnel: t.score.Score})
	f.Destination.Domain = q.Domain
	f.Dwell.InternalIP = q.Client
	f.Dwell.Indicators, f.Dwell.Reasons = []string{hunt.DNSTunnel}, t.score.Reasons()
	if t.score.Score < severityFloor {
		f.Dwell.Indicators = []string{}
	}
	f.Rule = ruleOf([]string{hunt.DNSTunnel})
	f.Dwell.DNS = &hunt.DNSEvidence{Names: int64(len(q.Names)) + q.Overflow, Queries: q.Count, MeanLength: round(t.score.Length), Entropy: round(t.score.Entropy)}
	out := evidence.NewSubject(sub.PairKey, scoring.Indicators{DNSTunnel: t.score.Score}, &f, s.o.Weights)
	out.Names = []evidence.Name{{Name: commonSuffix(q.Texts()), Connections: q.Count}}
	out.Resolved = q.Resolved(s.o.Request.Scope.IsInternal)
	if q.Overflow > 0 {
		out.Last("there were more names than are kept: at least those above")
	}
	return out
}
